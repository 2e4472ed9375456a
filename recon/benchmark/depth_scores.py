"""How good depth is, where the truth is known. Pure functions of samples: no images, no cameras.

Letters: `m` samples whose true depth is known; `errors` are relative to the true depth; `kept` says which
samples a method would use.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

TOLERANCES = (0.01, 0.03)
"""Relative errors within which a depth counts as right: a Gaussian that far off still lands within about a
pixel and three of the photo beside it, at the distances between photos that are usual here."""


@dataclass(frozen=True)
class DepthScores:
    """What the kept samples are worth."""

    samples: int
    """Samples with known depth, kept or not."""
    coverage: float
    """Share of the samples that is kept."""
    median_error: float | None
    """Of the kept samples, as the two below; None where none is kept."""
    mean_error: float | None
    """Errors above 1 count as 1: a plane at infinity is wrong, not infinitely worse than others."""
    precision: tuple[float, ...] | None
    """Share of the kept samples within each of TOLERANCES."""
    completeness: tuple[float, ...]
    """Share of all samples that is kept and within each of TOLERANCES."""


def relative_errors(depth: Float[Tensor, " m"], truth: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
    """|depth - truth| / truth; infinite where the depth is no number."""
    return ((depth - truth).abs() / truth).nan_to_num(nan=torch.inf, posinf=torch.inf)


def most_confident(confidence: Float[Tensor, " m"], coverage: float) -> Bool[Tensor, " m"]:
    """The `coverage` share of the samples, rounded, that has the highest confidence; of equals, the first."""
    kept = torch.zeros_like(confidence, dtype=torch.bool)
    order = confidence.argsort(descending=True, stable=True)
    kept[order[: round(coverage * len(confidence))]] = True
    return kept


def depth_scores(errors: Float[Tensor, " m"], kept: Bool[Tensor, " m"]) -> DepthScores:
    """Scores of the kept samples. Raises ValueError without any sample."""
    if len(errors) == 0:
        raise ValueError("depth_scores: there is no sample; give at least one known depth.")
    chosen = errors[kept].double()
    right = [float((chosen <= tolerance).sum()) for tolerance in TOLERANCES]
    some = len(chosen) > 0
    return DepthScores(
        samples=len(errors),
        coverage=len(chosen) / len(errors),
        median_error=float(chosen.median()) if some else None,
        mean_error=float(chosen.clamp(max=1).mean()) if some else None,
        precision=tuple(count / len(chosen) for count in right) if some else None,
        completeness=tuple(count / len(errors) for count in right),
    )


def coverage_at_precision(
    errors: Float[Tensor, " m"],
    confidence: Float[Tensor, " m"],
    trusted: Bool[Tensor, " m"],
    precision: float,
    tolerance: float,
) -> float:
    """The largest share of the samples that can be kept, surest first, with at least `precision` of them
    within `tolerance`. Trusted samples are surer than all others; among either, confidence decides. Samples
    that are equally sure are kept together or not at all, so that their order does not count."""
    # argsort is stable: the second sort keeps the first one's order among equals.
    order = confidence.argsort(descending=True, stable=True)
    order = order[trusted[order].int().argsort(descending=True, stable=True)]
    right = (errors[order] <= tolerance).double().cumsum(0)
    count = torch.arange(1, len(order) + 1, device=right.device)
    sureness = torch.stack([trusted[order].to(confidence), confidence[order]])
    ends = torch.ones_like(trusted)
    ends[:-1] = (sureness[:, 1:] != sureness[:, :-1]).any(dim=0)
    enough = count[ends & (right >= precision * count)]
    return float(enough.max()) / len(order) if len(enough) else 0.0
