"""Opacity decay (Binocular-Guided 3DGS, Han et al. 2024): what no photo keeps asking for fades away."""

from dataclasses import dataclass

import torch

from recon.methods.regulariser import Moment, Regulariser


@dataclass(frozen=True)
class OpacityDecayConfig:
    """Fading of Gaussians, against floaters."""

    rate: float = 0.005
    """Share of its opacity that a Gaussian loses in each step that draws it; 0 switches the decay off."""


@dataclass(frozen=True)
class OpacityDecay(Regulariser):
    """Multiplies opacities by 1 - rate after each step.

    Differs from the paper in one thing: only Gaussians that this step drew fade. Those beyond the borders of
    the photos get no gradient that could keep them, and would be lost."""

    config: OpacityDecayConfig

    @torch.no_grad()
    def after_step(self, moment: Moment) -> None:
        gaussians, radii = moment.gaussians, moment.rendering.radii
        drawn = (radii > 0).all(dim=-1)
        opacities = gaussians.opacities
        faded = torch.where(drawn, opacities * (1 - self.config.rate), opacities)
        gaussians.logit_opacities.copy_(torch.logit(faded, eps=1e-6))
