"""Where a world's pictures are taken from: around it, or side by side before it."""

import math
import random
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor

VIEWS = 8


class Rig(NamedTuple):
    """The cameras of one world, all of one lens."""

    camera_from_world: Float[Tensor, "v 4 4"]
    K: Float[Tensor, "3 3"]
    """Pixels, centres at +0.5."""

    def to(self, device: torch.device) -> "Rig":
        return Rig(*(part.to(device) for part in self))

    @property
    def centres(self) -> Float[Tensor, "v 3"]:
        rotation, shift = self.camera_from_world[:, :3, :3], self.camera_from_world[:, :3, 3:]
        return -(rotation.transpose(1, 2) @ shift)[..., 0]


def draw_rig(size: tuple[int, int], facing: bool, choice: random.Random, generator: Generator) -> Rig:
    """`VIEWS` cameras for pictures of `size` (height, width), spread over 4 to 45 degrees around the origin,
    or `facing` the same way from places side by side."""
    distance = choice.uniform(2.5, 5.0)
    azimuth, elevation = choice.uniform(-math.pi, math.pi), math.radians(choice.uniform(2, 40))
    # Log-uniform: narrow baselines are as common as wide ones.
    spread = math.radians(math.exp(choice.uniform(math.log(4), math.log(45))))
    jitter = _uniform((VIEWS, 3), generator)
    if facing:
        centre = distance * _direction(torch.tensor([azimuth]), torch.tensor([elevation]))
        towards = -centre
        right, down, _ = _frame(towards)[0]
        aside = spread * distance * (jitter[:, :1] * right + 0.6 * jitter[:, 1:2] * down)
        centres = centre + aside + 0.1 * spread * jitter[:, 2:] * towards
        looks = towards + 0.25 * aside * choice.uniform(-1, 1)
    else:
        angles = azimuth + 0.5 * spread * jitter[:, 0]
        heights = (elevation + 0.25 * spread * jitter[:, 1]).clamp_min(math.radians(1))
        centres = distance * (1 + 0.2 * jitter[:, 2:]) * _direction(angles, heights)
        looks = 0.15 * distance * _uniform((VIEWS, 3), generator) * choice.random() - centres
    rotation = _rolled(_frame(looks), math.radians(4) * _uniform((VIEWS,), generator))
    pose = torch.eye(4).repeat(VIEWS, 1, 1)
    pose[:, :3, :3] = rotation
    pose[:, :3, 3:] = -rotation @ centres[..., None]
    return Rig(pose, _intrinsics(size, math.radians(choice.uniform(35, 80)), choice))


def _intrinsics(size: tuple[int, int], field_of_view: float, choice: random.Random) -> Float[Tensor, "3 3"]:
    """Square pixels, `field_of_view` across the width, the principal point off the middle by up to 2 %."""
    height, width = size
    focal = 0.5 * width / math.tan(0.5 * field_of_view)
    u, v = (0.5 + choice.uniform(-0.02, 0.02) for _ in range(2))
    return torch.tensor([[focal, 0, u * width], [0, focal, v * height], [0, 0, 1]])


def _uniform(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """In [-1, 1), on the CPU."""
    return torch.rand(shape, generator=generator) * 2 - 1


def _direction(azimuth: Float[Tensor, " v"], elevation: Float[Tensor, " v"]) -> Float[Tensor, "v 3"]:
    level = elevation.cos()
    return torch.stack([azimuth.cos() * level, azimuth.sin() * level, elevation.sin()], -1)


def _frame(forward: Float[Tensor, "v 3"]) -> Float[Tensor, "v 3 3"]:
    """Rows right, down, forward of cameras that look along `forward`, their horizon level."""
    forward = torch.nn.functional.normalize(forward, dim=-1)
    right = torch.nn.functional.normalize(
        torch.linalg.cross(forward, forward.new_tensor([[0.0, 0.0, 1.0]])), dim=-1
    )
    return torch.stack([right, torch.linalg.cross(forward, right), forward], 1)


def _rolled(rotation: Float[Tensor, "v 3 3"], angle: Float[Tensor, " v"]) -> Float[Tensor, "v 3 3"]:
    """Turned about the optical axis."""
    c, s = angle.cos()[:, None], angle.sin()[:, None]
    right, down, forward = rotation.unbind(1)
    return torch.stack([c * right + s * down, c * down - s * right, forward], 1)
