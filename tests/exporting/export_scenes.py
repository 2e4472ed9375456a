"""Gaussians as a fit leaves them, and the readers of other projects."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from recon.exporting import read_ply
from recon.gaussians import Gaussians, sh0_from_rgb
from recon.scene import Cameras, Views

ROOT = Path(__file__).parents[2]
LOCAL = ROOT / ".node" / "node_modules" / ".bin" / "splat-transform"
SPLAT_TRANSFORM = (
    os.environ.get("RECON_SPLAT_TRANSFORM") or shutil.which("splat-transform") or shutil.which(LOCAL)
)

needs_splat_transform = pytest.mark.skipif(
    SPLAT_TRANSFORM is None, reason="@playcanvas/splat-transform is not here; `make node` installs it"
)


def cloud(count: int = 700, degree: int = 1, seed: int = 0) -> Gaussians:
    """Gaussians around (0.3, -0.2, 4) with sizes, colours and harmonics in the range of a fitted scene."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=generator)

    return Gaussians(
        means=torch.tensor([0.3, -0.2, 4.0]) + 0.6 * normal(3),
        quats=normal(4),
        log_scales=-3.5 + 0.7 * normal(3),
        logit_opacities=0.5 + 1.5 * normal(),
        sh0=sh0_from_rgb(torch.rand(count, 1, 3, generator=generator)),
        shN=0.1 * normal((degree + 1) ** 2 - 1, 3),
    )


def two_cameras(size: tuple[int, int] = (64, 48)) -> Cameras:
    """From the origin and from the right, both looking at the cloud."""
    poses = torch.eye(4).repeat(2, 1, 1)
    angle = torch.tensor(0.3)
    poses[1, :3, :3] = torch.tensor(
        [[angle.cos(), 0, angle.sin()], [0, 1, 0], [-angle.sin(), 0, angle.cos()]]
    )
    poses[1, :3, 3] = torch.tensor([-1.0, 0.1, 0.4])
    K = torch.tensor([[60.0, 0, size[0] / 2], [0, 60, size[1] / 2], [0, 0, 1]])
    return Cameras(poses, K.repeat(2, 1, 1), (size, size))


def read_elsewhere(path: Path) -> Gaussians:
    """What splat-transform reads from a file: it is asked for a PLY, whose layout other tests hold fast."""
    assert SPLAT_TRANSFORM is not None
    back = path.with_name("back.ply")
    command = [SPLAT_TRANSFORM, "-w", str(path), str(back)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return read_ply(back)


WALL_DEPTH = 4.0


def wall() -> tuple[Gaussians, Views]:
    """A flat wall before `two_cameras`, red on the left and blue on the right, and photos of nothing."""
    x, y = torch.meshgrid(torch.linspace(-3, 3, 50), torch.linspace(-2.5, 2.5, 40), indexing="xy")
    x, y = x.flatten(), y.flatten()
    rgb = torch.stack([0.9 * (x < 0), torch.full_like(x, 0.1), 0.9 * (x >= 0)], dim=-1)
    gaussians = Gaussians(
        means=torch.stack([x, y, torch.full_like(x, WALL_DEPTH)], dim=-1),
        quats=torch.tensor([1.0, 0, 0, 0]).repeat(len(x), 1),
        log_scales=torch.tensor([0.08, 0.08, 0.005]).log().repeat(len(x), 1),
        logit_opacities=torch.full((len(x),), 4.0),
        sh0=sh0_from_rgb(rgb)[:, None],
        shN=torch.zeros(len(x), 3, 3),
    )
    cameras = two_cameras()
    photos = tuple(torch.zeros(height, width, 3) for width, height in cameras.sizes)
    views = Views(
        images=photos,
        names=("a.png", "b.png"),
        masks=(None, None),
        paths=(),
        focal_priors=(None, None),
        cameras=cameras,
    )
    return gaussians, views
