"""Learning rates by confidence (InstantSplat, Fan et al. 2024): doubtful points may move further.

InstantSplat takes the confidence of MASt3R's points, here it is stereo's matching score where a second view
confirms the depth. It reports Tanks and Temples without given cameras (21.90 dB with three views), not LLFF.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from recon.gaussians import Gaussians
from recon.methods.homes import find_homes
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.regulariser import Moment, Regulariser
from recon.scene import Views


@dataclass(frozen=True)
class ConfidenceRatesConfig:
    """Learning rates of the means by the confidence of the first point."""

    gain: float = 0.0
    """By how many times the rate of a point without confidence exceeds that of a certain one; 0 switches the
    difference off. InstantSplat: about 100."""


@dataclass(frozen=True)
class ConfidenceRates(Regulariser):
    config: ConfidenceRatesConfig

    def traits(self, gaussians: Gaussians, views: Views, stereo: StereoPrior) -> dict[str, Tensor]:
        return {"confidence": confidence_of_points(gaussians.means.detach(), views, stereo)}

    def rate_factors(self, moment: Moment) -> dict[str, Float[Tensor, " g"]]:
        return {"means": 1 + self.config.gain * (1 - moment.traits["confidence"])}


def confidence_of_points(
    means: Float[Tensor, "g 3"], views: Views, stereo: StereoPrior
) -> Float[Tensor, " g"]:
    """Matching score in [0, 1] of each point's pixel, 0 where no second view confirms the depth there."""
    view, u, v, _ = find_homes(means, views, stereo).unbind(-1)
    confidence = torch.zeros_like(view)
    for index, score in enumerate(stereo.confidences):
        trusted = score.clamp(0, 1) * stereo.consistent[index]
        height, width = score.shape
        read = trusted[v.long().clamp(0, height - 1), u.long().clamp(0, width - 1)]
        confidence = torch.where(view == index, read, confidence)
    return confidence
