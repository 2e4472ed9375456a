"""Relative depth of patches (RDG-GS, Zhan et al. 2025): how alike two patches are in depth, not how deep.

Two small patches near each other in a photo are as alike in the drawn depth as they are in a prior's; pairs
that also look alike in the photo, and so most likely lie on one thing, count most. RDG-GS compares with
features of a network and a refined monocular depth, here it is the photo's colours and the stereo depth,
trusted or not; with a network's depth of single photos (`--depth`), that where stereo is not trusted.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.methods.depth_order import depth_of_one_source, monocular_depth
from recon.methods.depth_ranking import random_pairs
from recon.methods.regulariser import Moment, Regulariser


@dataclass(frozen=True)
class RelativeDepthConfig:
    """Loss on the likeness in depth of patches near each other."""

    weight: float = 0.0
    """0 switches the loss off."""
    every: int = 2
    """Steps between two uses; the weight grows by the same factor."""
    pairs: int = 2048
    """Pairs of patches drawn in a step."""
    patch: int = 5
    """Side of a patch, in pixels; odd."""
    reach: int = 32
    """Largest distance of two patches of a pair, in pixels along each axis."""
    depth_spread: float = 0.1
    """Relative difference of disparity at which the likeness of two patches falls to 1 / e."""
    colour_spread: float = 0.1
    """Difference of mean colour at which the weight of a pair falls to 1 / e."""


@dataclass(frozen=True)
class RelativeDepth(Regulariser):
    config: RelativeDepthConfig

    def loss(self, moment: Moment) -> Float[Tensor, ""] | None:
        config, stereo, index = self.config, moment.stereo, moment.index
        # Between the steps of the other dear losses, as in depth ranking.
        if (moment.step + 1) % config.every:
            return None
        near = stereo.depth_range[0]
        disparity = near / moment.rendering.depth.clamp_min(0.3 * near)
        a, b = random_pairs(disparity.shape, config.pairs, config.reach, moment.generator)
        pixels = patch_pixels(torch.stack([a, b]), disparity.shape, config.patch)
        colours = moment.views.images[index].flatten(0, 1)[pixels].mean(dim=2)
        weight = torch.exp(-(colours[0] - colours[1]).abs().mean(-1) / config.colour_spread)
        prior = depth_of_one_source(
            stereo.depths[index], stereo.consistent[index], monocular_depth(stereo, index), pixels
        )
        prior = near / prior.clamp_min(0.3 * near)
        loss = likeness_loss(disparity.flatten()[pixels], prior, weight, config.depth_spread)
        return config.weight * config.every * loss


def patch_pixels(centres: Int[Tensor, "2 p"], shape: tuple[int, ...], patch: int) -> Int[Tensor, "2 p k"]:
    """Flat indices of the k = patch^2 pixels around each centre; at the borders the patch is moved inside."""
    height, width = shape
    radius = min(patch, height, width) // 2
    v = (centres // width).clamp(radius, height - 1 - radius)
    u = (centres % width).clamp(radius, width - 1 - radius)
    steps = torch.arange(-radius, radius + 1, device=centres.device)
    offsets = (steps[:, None] * width + steps).flatten()
    return (v * width + u)[..., None] + offsets


def likeness(pair: Float[Tensor, "2 p k"], spread: float) -> Float[Tensor, " p"]:
    """How alike two patches of disparities are, in (0, 1]: exp of minus their mean difference, pixel by
    pixel, in units of `spread` times their mean. Blind to a common scale."""
    difference = (pair[0] - pair[1]).abs().mean(-1)
    return torch.exp(-difference / (spread * pair.mean(dim=(0, 2))).clamp_min(1e-6))


def likeness_loss(
    pair: Float[Tensor, "2 p k"],
    prior: Float[Tensor, "2 p k"],
    weight: Float[Tensor, " p"],
    spread: float,
) -> Float[Tensor, ""]:
    """Weighed mean difference of the likenesses in disparity and in its prior, in [0, 1]; 0 without weight.

    Blind to a scale of either."""
    difference = (likeness(pair, spread) - likeness(prior, spread)).abs()
    return (weight * difference).sum() / weight.sum().clamp_min(1e-6)
