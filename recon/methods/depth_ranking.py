"""Depth ranking and continuity (SparseNeRF, Wang et al. 2023): an untrusted depth map still knows the order.

Where stereo fails the consistency check its values cannot be copied, but which of two pixels is nearer, and
which neighbours lie on one surface, mostly holds. Both losses compare pairs of pixels of one small patch and
are blind to any increasing change of the prior.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.methods.regulariser import Moment, Regulariser


@dataclass(frozen=True)
class DepthRankingConfig:
    """Losses on the order of depths where stereo is not to be trusted in value."""

    ranking_weight: float = 0.1
    """Weight of the order of depths; 0 switches it off."""
    continuity_weight: float = 0.02
    """Weight of keeping neighbours on one surface together; 0 switches it off."""
    every: int = 2
    """Steps between two uses; the weights grow by the same factor."""
    pairs: int = 8192
    """Pairs of pixels drawn in a step."""
    reach: int = 16
    """Largest distance of the two pixels of a pair, in pixels along each axis."""
    ranking_gap: float = 0.03
    """Pairs whose prior disparities differ by more than this share of the larger one are ranked."""
    continuity_gap: float = 0.005
    """Pairs whose prior disparities differ by less than this share belong to one surface."""
    pixels: Literal["untrusted", "all"] = "untrusted"
    """Pairs with a pixel whose depth no second view confirms, or all pairs."""


@dataclass(frozen=True)
class DepthRanking(Regulariser):
    config: DepthRankingConfig

    def loss(self, moment: Moment) -> Float[Tensor, ""] | None:
        config, stereo, index = self.config, moment.stereo, moment.index
        # Counted from the end of the interval: the dearer losses of other regularisers count from its start.
        if (moment.step + 1) % config.every:
            return None
        near = stereo.depth_range[0]
        disparity = near / moment.rendering.depth.clamp_min(0.3 * near)
        prior = near / stereo.depths[index]
        a, b = random_pairs(disparity.shape, config.pairs, config.reach, moment.generator)
        trusted = stereo.consistent[index].flatten()
        use = ~(trusted[a] & trusted[b]) if config.pixels == "untrusted" else torch.ones_like(trusted[a])
        pair = disparity.flatten()[torch.stack([a, b])]
        prior_pair = prior.flatten()[torch.stack([a, b])]
        ranking = ranking_loss(pair, prior_pair, use, config.ranking_gap)
        continuity = continuity_loss(pair, prior_pair, use, config.continuity_gap)
        total = config.ranking_weight * ranking + config.continuity_weight * continuity
        return config.every * total


def random_pairs(
    shape: tuple[int, ...], count: int, reach: int, generator: torch.Generator
) -> tuple[Int[Tensor, " p"], Int[Tensor, " p"]]:
    """Flat indices of `count` pairs of pixels at most `reach` apart along each axis; both lie inside."""
    height, width = shape
    device = generator.device
    v = torch.randint(height, (count,), generator=generator, device=device)
    u = torch.randint(width, (count,), generator=generator, device=device)
    step = torch.randint(-reach, reach + 1, (2, count), generator=generator, device=device)
    other_v = (v + step[0]).clamp(0, height - 1)
    other_u = (u + step[1]).clamp(0, width - 1)
    return v * width + u, other_v * width + other_u


def ranking_loss(
    pair: Float[Tensor, "2 p"], prior: Float[Tensor, "2 p"], use: Bool[Tensor, " p"], gap: float
) -> Float[Tensor, ""]:
    """Mean violation max(0, far - near) over pairs that `prior` orders clearly (SparseNeRF, eq. 4).

    Values grow towards the camera (disparities). `gap` is relative to the larger prior."""
    order = (prior[0] - prior[1]) / prior.amax(dim=0)
    clear = use & (order.abs() > gap)
    violation = torch.relu((pair[1] - pair[0]) * order.sign())
    return torch.where(clear, violation, torch.zeros_like(violation)).sum() / clear.sum().clamp_min(1)


def continuity_loss(
    pair: Float[Tensor, "2 p"], prior: Float[Tensor, "2 p"], use: Bool[Tensor, " p"], gap: float
) -> Float[Tensor, ""]:
    """Mean of |a - b| over pairs that `prior` puts on one surface (SparseNeRF, eq. 5, without its margin)."""
    same = use & ((prior[0] - prior[1]).abs() < gap * prior.amax(dim=0))
    difference = (pair[0] - pair[1]).abs()
    return torch.where(same, difference, torch.zeros_like(difference)).sum() / same.sum().clamp_min(1)
