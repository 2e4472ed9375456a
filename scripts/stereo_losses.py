"""What the stereo network is trained on: pure functions of its output and the truth.

`known` pixels have a true depth; empty ones teach the confidence alone.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from stereo_samples import Sample
from torch import Tensor

from recon.methods.priors.learned.network import StereoOutput, inverse_depth

WEIGHTS = {"planes": 0.2, "steps": 1.0, "full": 2.0, "edges": 0.5, "scale": 0.1, "visible": 0.1}
DECAY = 0.9
"""Weight of a step of the refinement over that of the next."""
FLOOR = 0.02
"""Inverse depths are compared as logs after adding this share of the nearest: the sky does not
outweigh the rest."""
IGNORANT = 0.5
"""Error in log-depth that the confidence is told of where nothing stands."""


def stereo_losses(
    output: StereoOutput, sample: Sample, occluded_weight: float | Float[Tensor, ""]
) -> dict[str, Tensor]:
    """The parts of the loss, unweighed. Pixels that no source sees count `occluded_weight`."""
    truth, limits = sample.inverse_depth, sample.inverse_range
    known = (truth > 0).float()
    seen = sample.visible.amax(dim=1, keepdim=True)
    weight = known * (seen + (1 - seen) * occluded_weight)
    quarter, eighth = slice(2, None, 4), slice(4, None, 8)
    true_quarter, weight_quarter = truth[..., quarter, quarter], weight[..., quarter, quarter]
    steps = truth.new_zeros(())
    for number, position in enumerate(reversed(output.positions)):
        error = log_error(inverse_depth(position, limits), true_quarter, limits)
        steps = steps + DECAY**number * masked_mean(bent(error), weight_quarter)
    estimate = inverse_depth(output.position, limits)
    error = log_error(estimate, truth, limits)
    told = torch.where(known > 0, error.detach().abs(), IGNORANT)
    return {
        "planes": plane_loss(output.planes, truth[..., eighth, eighth], weight[..., eighth, eighth], limits),
        "steps": steps,
        "full": masked_mean(bent(error), weight),
        "edges": edge_loss(error, weight),
        "scale": masked_mean(laplace(told, output.log_b), torch.where(known > 0, weight, 0.3)),
        "visible": visible_loss(
            output.visibility, sample.visible[..., eighth, eighth], known[..., eighth, eighth]
        ),
    }


def log_error(
    estimate: Float[Tensor, "b 1 h w"], truth: Float[Tensor, "b 1 h w"], limits: Float[Tensor, "b 2"]
) -> Float[Tensor, "b 1 h w"]:
    """Difference of the logs of inverse depth, floored."""
    floor = FLOOR * limits[:, 1, None, None, None]
    return torch.log((estimate + floor) / (truth + floor))


def bent(error: Tensor) -> Tensor:
    """Absolute value whose growth halves beyond 0.2: gross errors do not set the gradients of all."""
    size = error.abs()
    return torch.where(size < 0.2, size, 0.1 + 0.5 * size)


def masked_mean(value: Tensor, weight: Tensor) -> Tensor:
    return (value * weight).sum() / weight.sum().clamp_min(1.0)


def plane_loss(
    logits: Float[Tensor, "b d h w"],
    truth: Float[Tensor, "b 1 h w"],
    weight: Float[Tensor, "b 1 h w"],
    limits: Float[Tensor, "b 2"],
) -> Float[Tensor, ""]:
    """Cross-entropy over the planes; the label is shared by the two planes around the truth. Depths outside
    of the range have no plane."""
    count = logits.shape[1]
    far, near = limits[:, 0, None, None, None], limits[:, 1, None, None, None]
    at = (truth - far) / (near - far) * (count - 1)
    weight = weight * ((at >= 0) & (at <= count - 1))
    at = at.clamp(0, count - 1)
    below = at.floor().clamp_max(count - 2)
    share = at - below
    log_share = logits.log_softmax(dim=1)
    lower, upper = (log_share.gather(1, below.long() + i) for i in (0, 1))
    return masked_mean(-(1 - share) * lower - share * upper, weight)


def edge_loss(error: Float[Tensor, "b 1 h w"], weight: Float[Tensor, "b 1 h w"]) -> Float[Tensor, ""]:
    """Differences of the error between neighbours 1, 2 and 4 pixels apart (scale-invariant gradients,
    Ummenhofer et al., CVPR 2017), capped: shapes and outlines, not offsets."""
    total = error.new_zeros(())
    for gap in (1, 2, 4):
        for axis in (-1, -2):
            length = error.shape[axis] - gap
            a, b = error.narrow(axis, 0, length), error.narrow(axis, gap, length)
            both = weight.narrow(axis, 0, length) * weight.narrow(axis, gap, length)
            total = total + masked_mean((a - b).abs().clamp_max(0.5), both)
    return total / 6


def laplace(error: Float[Tensor, "b 1 h w"], log_b: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Negative log-likelihood of an absolute error under a Laplace distribution of scale b,
    but for a constant."""
    return error * torch.exp(-log_b) + log_b


def visible_loss(
    logits: list[Tensor], truth: Float[Tensor, "b s h w"], known: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, ""]:
    """Binary cross-entropy over the sources."""
    told = torch.cat(logits, dim=1).float()
    loss = F.binary_cross_entropy_with_logits(told, truth, reduction="none")
    return masked_mean(loss, known.expand_as(loss))
