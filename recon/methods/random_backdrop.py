"""A random colour behind the scene: what must not show it has to become opaque.

Before black, a dark surface needs no Gaussians, and photos do not tell a hole from a shadow. A colour that
changes from step to step does (Mueller et al., Instant neural graphics primitives, 2022, for pictures with
alpha). In the first part of a fit alone: surfaces form there; later the decay of opacities should thin out
what stereo put in the wrong place.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from recon.methods.regulariser import Regulariser


@dataclass(frozen=True)
class RandomBackdropConfig:
    """A colour behind the scene that changes with each step of the fit."""

    weight: float = 0.0
    """Largest value of its channels; 0 switches it off, 1 pays beside `--stereo.prior auto`."""
    end: float = 0.5
    """Share of the fit after which the scene stands before black."""


@dataclass(frozen=True)
class RandomBackdrop(Regulariser):
    """A scene with a backdrop of its own keeps it."""

    config: RandomBackdropConfig

    def backdrop(
        self, backdrop: Float[Tensor, "3"] | None, progress: float, generator: torch.Generator
    ) -> Float[Tensor, "3"] | None:
        if backdrop is not None or progress >= self.config.end:
            return backdrop
        return self.config.weight * torch.rand(3, generator=generator, device=generator.device)
