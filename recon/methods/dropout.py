"""Dropout of Gaussians (DropGaussian, Park et al. 2025): no Gaussian may explain a photo alone."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from recon.methods.regulariser import Regulariser


@dataclass(frozen=True)
class DropoutConfig:
    """Random removal of Gaussians while fitting."""

    max_rate: float = 0.2
    """Share of Gaussians left out at the last step; it grows from 0 in proportion to the step."""


@dataclass(frozen=True)
class Dropout(Regulariser):
    """Zeroes opacities at a rate that grows with progress; the survivors are scaled by 1 / (1 - rate)."""

    config: DropoutConfig

    def opacities(
        self, opacities: Float[Tensor, " g"], progress: float, generator: torch.Generator
    ) -> Float[Tensor, " g"]:
        rate = self.config.max_rate * progress
        chance = torch.rand(opacities.shape, generator=generator, device=opacities.device)
        return opacities * (chance >= rate) / (1 - rate)
