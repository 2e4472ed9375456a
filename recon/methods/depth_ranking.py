"""Depth ranking and continuity (SparseNeRF, Wang et al. 2023): an untrusted depth map still knows the order.

Where stereo fails the consistency check its values cannot be copied, but which of two pixels is nearer, and
which neighbours lie on one surface, mostly holds. With a network's depth of the single photo (`--depth`), as
the paper has, that is asked there. Both losses compare pairs of pixels of one small patch and are blind to
any increasing change of the prior.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.methods.depth_order import depth_of_one_source, monocular_depth
from recon.methods.regulariser import Moment, Regulariser
from recon.rendering.graphs import graphed


@dataclass(frozen=True)
class DepthRankingConfig:
    """Losses on the order of depths where stereo is not to be trusted in value."""

    ranking_weight: float = 0.0
    """Weight of the order of depths; 0 switches it off. Beside the stereo depth it brings nothing."""
    continuity_weight: float = 0.0
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
        depth = moment.rendering.depth
        pairs = random_pairs(depth.shape, config.pairs, config.reach, moment.generator)
        loss = order_loss(
            depth,
            stereo.depths[index],
            stereo.consistent[index],
            monocular_depth(stereo, index),
            torch.stack(pairs),
            near=stereo.depth_range[0],
            all_pairs=config.pixels == "all",
            ranking_weight=config.ranking_weight,
            continuity_weight=config.continuity_weight,
            ranking_gap=config.ranking_gap,
            continuity_gap=config.continuity_gap,
        )
        return config.every * loss


@graphed
def order_loss(
    depth: Float[Tensor, "h w"],
    prior_depth: Float[Tensor, "h w"],
    trusted: Bool[Tensor, "h w"],
    monocular: Float[Tensor, "h w"] | None,
    pairs: Int[Tensor, "2 p"],
    *,
    near: float,
    all_pairs: bool,
    ranking_weight: float,
    continuity_weight: float,
    ranking_gap: float,
    continuity_gap: float,
) -> Float[Tensor, ""]:
    """Both losses on disparities in units of 1 / near, over pairs of flat pixel indices: all, or those that
    hold a pixel that is not `trusted`."""
    disparity = (near / depth.clamp_min(0.3 * near)).flatten()[pairs]
    prior = near / depth_of_one_source(prior_depth, trusted, monocular, pairs)
    both = trusted.flatten()[pairs].all(dim=0)
    use = torch.ones_like(both) if all_pairs else ~both
    ranking = ranking_loss(disparity, prior, use, ranking_gap)
    continuity = continuity_loss(disparity, prior, use, continuity_gap)
    return ranking_weight * ranking + continuity_weight * continuity


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
