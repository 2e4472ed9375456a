"""A scene whose picture is known without a renderer: a wall, red on the left, blue on the right, its upper
half brighter, seen by three cameras in OpenCV axes (y down)."""

from pathlib import Path

import torch

from recon.gaussians import Gaussians, sh0_from_rgb
from recon.scene import Cameras, Views

WIDTH, HEIGHT, FOCAL = 96, 72, 80.0
DISTANCE = 4.0
CENTRES = ((0.0, 0.0, 0.0), (-0.8, 0.1, 0.0), (0.8, -0.1, 0.2))


def wall_colour(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """sRGB of the wall at (x, y): the left red, the right blue, the upper half (y < 0) twice as bright."""
    brightness = torch.where(y < 0, 0.9, 0.45)
    red, blue = brightness * (x < 0), brightness * (x >= 0)
    return torch.stack([red, torch.full_like(x, 0.1), blue], dim=-1)


def two_coloured_wall(scale: float = 1.0) -> tuple[Gaussians, Views]:
    """Gaussians (60 x 45) and what the cameras see of the wall; `scale` is the unit of length."""
    x, y = torch.meshgrid(torch.linspace(-4, 4, 60), torch.linspace(-3, 3, 45), indexing="xy")
    x, y = x.flatten(), y.flatten()
    count = len(x)
    gaussians = Gaussians(
        means=scale * torch.stack([x, y, torch.full_like(x, DISTANCE)], -1),
        quats=torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        log_scales=torch.log(scale * torch.tensor([0.08, 0.08, 0.005])).repeat(count, 1),
        logit_opacities=torch.full((count,), 4.0),
        sh0=sh0_from_rgb(wall_colour(x, y))[:, None],
        shN=torch.zeros(count, 3, 3),
    )
    return gaussians, _views(scale)


def _views(scale: float) -> Views:
    K = torch.tensor([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    v, u = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    poses, images = [], []
    for centre in CENTRES:
        pose = torch.eye(4)
        pose[:3, 3] = -scale * torch.tensor(centre)
        depth = DISTANCE - centre[2]
        x = centre[0] + depth * (u - WIDTH / 2) / FOCAL
        y = centre[1] + depth * (v - HEIGHT / 2) / FOCAL
        poses.append(pose)
        images.append(wall_colour(x, y))
    count = len(CENTRES)
    return Views(
        images=tuple(images),
        names=tuple(f"photo_{i}.png" for i in range(count)),
        masks=(None,) * count,
        paths=tuple(Path(f"photo_{i}.png") for i in range(count)),
        focal_priors=(None,) * count,
        cameras=Cameras(torch.stack(poses), K.repeat(count, 1, 1), ((WIDTH, HEIGHT),) * count),
    )
