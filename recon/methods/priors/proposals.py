"""Depth that a network proposes, put to the test of the plane sweep: where the sweep trusts nothing of its
own, the proposal adds to the matching score at its depth, so that it decides where matches are silent or
torn. What is trusted in the end matches there about as well as anywhere."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.methods.priors.agreement import in_other_views
from recon.methods.priors.trust import DepthMap
from recon.scene import Cameras


@dataclass(frozen=True)
class ProposalConfig:
    """What a proposed depth counts."""

    weight: float = 0.3
    """Score that a proposal of full confidence adds at its depth; that of a perfect match is 1."""
    reach: int = 6
    """Planes from there at which it adds nothing any more; up to half as far it adds nearly the same, so that
    within a plane any match decides."""
    allowance: float = 0.15
    """How much worse than at any other depth photos may match at a proposed one that is trusted, where
    they match nowhere; nothing where they match perfectly elsewhere, and evenly between."""
    flat_confidence: float = 0.6
    """Where the sweep finds nothing to trust, proposals are kept; on flat patches only those at least this
    sure, for a backdrop may be anywhere."""
    guess_confidence: float = 0.2
    """Beside all other photos, where nothing was matched, only proposals at least this sure are kept."""
    photo_confidence: float = 0.45
    """The same holds all over a photo in which the proposals for what is trusted are less sure than this in
    the mean: where a network is puzzled by what matches well, its other guesses are worth little."""


def favour(
    score: Float[Tensor, "d h w"],
    proposal: DepthMap,
    inverse_depths: Float[Tensor, " d"],
    config: ProposalConfig,
) -> Float[Tensor, "d h w"]:
    """`score`, in place, with a bonus around the proposed depth: weight times confidence, then falling."""
    step = inverse_depths[1] - inverse_depths[0]
    position = (1 / proposal.depth - inverse_depths[0]) / step
    offsets = torch.arange(1 - config.reach, 1 + config.reach, device=score.device)[:, None, None]
    plane = position.floor().long() + offsets
    distance = (plane - position).abs() / config.reach
    bonus = config.weight * proposal.confidence * (2 - 2 * distance).clamp(0, 1) * (1 - SLOPE * distance)
    within = (plane >= 0) & (plane < len(score))
    return score.scatter_add_(0, plane.clamp(0, len(score) - 1), bonus * within)


SLOPE = 0.1
"""Share that the bonus has lost at its end, were it not for the fall: without any match the depth is the
proposed one, not another on the plateau."""


def kept_proposals(
    maps: list[DepthMap],
    trusted: list[Bool[Tensor, "_h _w"]],
    proposals: list[DepthMap],
    flat: list[Bool[Tensor, "_h _w"]],
    cameras: Cameras,
    config: ProposalConfig,
) -> tuple[list[Float[Tensor, "_h _w"]], list[Bool[Tensor, "_h _w"]]]:
    """The depths of `maps` with the proposals where they are not trusted, and which pixels are now known."""
    depths = [torch.where(t, m.depth, p.depth) for m, t, p in zip(maps, trusted, proposals, strict=True)]
    matched = in_other_views(cameras, [p.depth for p in proposals])
    known = []
    for proposal, trust, is_flat, is_matched in zip(proposals, trusted, flat, matched, strict=True):
        puzzled = proposal.confidence[trust].mean() < config.photo_confidence  # not where nothing is trusted
        least = torch.where(is_matched & ~puzzled, 0.0, config.guess_confidence)
        least = torch.where(is_flat, config.flat_confidence, least)
        known.append(trust | ((proposal.confidence > 0) & (proposal.confidence >= least)))
    return depths, known
