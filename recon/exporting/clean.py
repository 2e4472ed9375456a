"""What is left out of an export: Gaussians that spoil a scene from places where no photo was taken.

Between the photos they do no harm, because the fit saw to that; other viewers stand elsewhere.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.gaussians import Gaussians
from recon.scene import Cameras

MIN_OPACITY = 1 / 255
"""What is fainter is never drawn: the engines' cut-off."""


@dataclass(frozen=True)
class CleanConfig:
    """What the exports leave out. Sizes are standard deviations over the distance to the nearest camera, so
    they mean the same in every scene and every unit."""

    max_size: float = 0.2
    """Larger Gaussians are oversized: from the nearest photo they would fill half of the picture."""
    max_needle: float = 30.0
    """Longest axis over the second one, from which on a Gaussian is a needle."""
    min_needle_size: float = 0.02
    """Needles that are shorter are left: they are too small to be seen as such."""


class Cleaned(NamedTuple):
    """Gaussians that are fit to leave, and how many are not, by reason."""

    gaussians: Gaussians
    removed: dict[str, int]


def clean(gaussians: Gaussians, cameras: Cameras, near: float, config: CleanConfig) -> Cleaned:
    """Leaves out what is invisible, oversized, a needle, or closer than `near` to a camera, world units.

    Without cameras, distances are taken from a camera that would see the middle nine tenths of the scene."""
    reasons = faults(gaussians, cameras, near, config)
    keep = torch.ones(len(gaussians), dtype=torch.bool, device=gaussians.means.device)
    removed = {}
    for reason, bad in reasons.items():
        removed[reason] = int((bad & keep).sum())
        keep &= ~bad
    return Cleaned(gaussians.select(keep), removed)


def faults(
    gaussians: Gaussians, cameras: Cameras, near: float, config: CleanConfig
) -> dict[str, Bool[Tensor, " g"]]:
    """For each reason, the Gaussians that it holds for; one may be met by several."""
    scales = gaussians.scales.detach().sort(dim=-1, descending=True).values
    distance = camera_distance(gaussians.means.detach(), cameras)
    size = scales[:, 0] / distance.clamp(min=1e-12)
    return {
        "invisible": gaussians.opacities.detach() < MIN_OPACITY,
        "near a camera": (distance < near) if len(cameras) else torch.zeros_like(distance, dtype=torch.bool),
        "oversized": size > config.max_size,
        "needles": (scales[:, 0] > config.max_needle * scales[:, 1]) & (size > config.min_needle_size),
    }


def camera_distance(means: Float[Tensor, "g 3"], cameras: Cameras) -> Float[Tensor, " g"]:
    """Distance of each point to the nearest camera; without any, to one that sees the scene whole."""
    if len(cameras):
        return torch.cdist(means, cameras.centres.to(means)).min(dim=1).values
    if not len(means):
        return means.new_zeros(0)
    radius = (means - means.median(dim=0).values).norm(dim=-1)
    middle = radius.sort().values[int(0.9 * (len(radius) - 1))]
    return torch.full_like(radius, 2 * float(middle))
