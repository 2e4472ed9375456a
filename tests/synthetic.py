"""A scene whose photos and depths are known exactly: a slanted textured plane and a textured board before it.

Nothing here uses the package's own geometry: rays are cast by formulas written anew, so that a mistake shared
by all of the package's projections would show.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from recon.methods.priors.stereo_types import StereoPrior
from recon.scene import Cameras, Views

SLANT, FAR_PLANE = 0.25, 4.0
"""The plane is z = FAR_PLANE + SLANT x."""
BOARD_DEPTH, BOARD = 2.8, (-0.75, 0.35, -0.5, 0.45)
"""The board lies at z = BOARD_DEPTH; left, right, top, bottom."""
NEAREST, FARTHEST = 2.4, 5.5
"""Bounds of every depth that a photo of the scene shows."""

STATIONS = ((0.0, 0.0, 0.0), (0.45, 0.05, 0.1), (-0.4, 0.1, -0.05), (0.15, -0.2, 0.0), (0.2, 0.3, 0.1))
"""Camera centres; the cameras look at (0, 0, 3.4)."""
SIZES = ((96, 72), (88, 76), (104, 70))
"""(width, height), none alike."""


@dataclass(frozen=True)
class Truth:
    """Photos with what they show."""

    views: Views
    depths: tuple[Tensor, ...]
    """Exact z-depth of every pixel, one (h, w) a view."""
    co_visible: tuple[Tensor, ...]
    """Whether any other view sees the same point, one (h, w) a view."""

    def select(self, *indices: int) -> "Truth":
        """Some of the views; `co_visible` still counts all of them."""
        depths = tuple(self.depths[i] for i in indices)
        return Truth(self.views.select(indices), depths, tuple(self.co_visible[i] for i in indices))

    @property
    def stereo(self) -> StereoPrior:
        """A prior that errs nowhere."""
        ones = tuple(torch.ones_like(depth) for depth in self.depths)
        return StereoPrior(self.depths, ones, self.co_visible, (NEAREST, FARTHEST))


def make_truth(
    sizes: tuple[tuple[int, int], ...] = SIZES, detail: float = 1.0, unit: float = 1.0, stations=STATIONS
) -> Truth:
    """One photo from each of the first stations. `detail` scales the frequencies of the texture, `unit` the
    whole world."""
    poses, Ks, images, depths = [], [], [], []
    for (width, height), station in zip(sizes, stations, strict=False):
        world_from_camera = look_at(torch.tensor(station, dtype=torch.float64))
        # Not square pixels, not quite the middle: neither may be taken for granted.
        focal = 0.95 * width
        K = torch.tensor([[focal, 0, 0.52 * width], [0, 1.04 * focal, 0.47 * height], [0, 0, 1.0]])
        rgb, depth = photograph(world_from_camera, K.double(), width, height, detail)
        world_from_camera[:3, 3] *= unit
        poses.append(torch.linalg.inv(world_from_camera).float())
        Ks.append(K)
        images.append(rgb.float())
        depths.append((depth * unit).float())
    cameras = Cameras(torch.stack(poses), torch.stack(Ks), tuple(sizes))
    views = as_views(tuple(images), cameras)
    return Truth(
        views, tuple(depths), tuple(seen_elsewhere(cameras, i, d, unit) for i, d in enumerate(depths))
    )


def as_views(images: tuple[Tensor, ...], cameras: Cameras) -> Views:
    """Photos without names, files or masks of their own."""
    count = len(images)
    names = tuple(f"{i}.png" for i in range(count))
    paths = tuple(Path(name) for name in names)
    none = (None,) * count
    return Views(images, names, none, paths=paths, focal_priors=none, cameras=cameras)


def look_at(centre: Tensor, target: tuple[float, float, float] = (0.0, 0.0, 3.4)) -> Tensor:
    """world_from_camera with x right, y down, z towards the target."""
    forward = torch.nn.functional.normalize(torch.tensor(target, dtype=centre.dtype) - centre, dim=0)
    down = torch.tensor([0.0, 1.0, 0.0], dtype=centre.dtype)
    right = torch.nn.functional.normalize(torch.linalg.cross(down, forward), dim=0)
    pose = torch.eye(4, dtype=centre.dtype)
    pose[:3, :3] = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)
    pose[:3, 3] = centre
    return pose


def photograph(
    world_from_camera: Tensor, K: Tensor, width: int, height: int, detail: float
) -> tuple[Tensor, Tensor]:
    """The photo (h, w, 3) and its z-depth (h, w)."""
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    ray = torch.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], torch.ones_like(u)], dim=-1)
    direction = torch.einsum("ij,hwj->hwi", world_from_camera[:3, :3], ray.to(K))
    depth, on_board = cast(world_from_camera[:3, 3], direction)
    hit = world_from_camera[:3, 3] + depth[..., None] * direction
    return torch.where(on_board[..., None], texture(hit, 1, detail), texture(hit, 2, detail)), depth


def cast(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """How many `direction`s it is from `origin` to the first surface, and whether that is the board."""
    far = (FAR_PLANE + SLANT * origin[0] - origin[2]) / (direction[..., 2] - SLANT * direction[..., 0])
    board = (BOARD_DEPTH - origin[2]) / direction[..., 2]
    x, y = (origin + board[..., None] * direction)[..., :2].unbind(-1)
    left, right, top, bottom = BOARD
    on_board = (x > left) & (x < right) & (y > top) & (y < bottom)
    return torch.where(on_board, board, far), on_board


def texture(point: Tensor, seed: int, detail: float) -> Tensor:
    """Smooth random colours over x and y; at `detail` 1 no wave is shorter than 0.3."""
    generator = torch.Generator().manual_seed(seed)
    waves = 10
    frequency = (torch.rand(3, waves, 2, generator=generator, dtype=point.dtype) - 0.5) * 4.6 * detail
    phase = torch.rand(3, waves, generator=generator, dtype=point.dtype)
    angle = torch.einsum("...i,cki->...ck", point[..., :2], frequency) + phase
    return (0.5 + 0.2 * waves**0.5 * torch.sin(2 * torch.pi * angle).mean(-1)).clamp(0, 1)


def seen_elsewhere(cameras: Cameras, index: int, depth: Tensor, unit: float) -> Tensor:
    """Pixels of view `index` whose surface another view has in its picture, nothing before it."""
    width, height = cameras.sizes[index]
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    K = cameras.Ks[index]
    in_camera = torch.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], torch.ones_like(u)], dim=-1)
    pose = torch.linalg.inv(cameras.camera_from_world[index].double())
    point = torch.einsum("ij,hwj->hwi", pose[:3, :3], in_camera.double() * depth[..., None]) + pose[:3, 3]
    seen = torch.zeros(height, width, dtype=torch.bool)
    for other, (other_width, other_height) in enumerate(cameras.sizes):
        if other == index:
            continue
        camera_from_world, other_K = cameras.camera_from_world[other].double(), cameras.Ks[other].double()
        x, y, z = (
            torch.einsum("ij,hwj->hwi", camera_from_world[:3, :3], point) + camera_from_world[:3, 3]
        ).unbind(-1)
        other_u, other_v = other_K[0, 0] * x / z + other_K[0, 2], other_K[1, 1] * y / z + other_K[1, 2]
        in_picture = (other_u > 0) & (other_u < other_width) & (other_v > 0) & (other_v < other_height)
        centre = torch.linalg.inv(camera_from_world)[:3, 3]
        steps, _ = cast(centre / unit, (point - centre) / unit)
        seen |= in_picture & (z > 0) & (steps > 0.999)
    return seen
