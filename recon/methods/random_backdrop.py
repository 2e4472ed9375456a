"""A random colour behind the scene: what must not show it has to become opaque.

Before black, a dark surface needs no Gaussians, and photos do not tell a hole from a shadow. A colour that
changes from step to step does (Mueller et al., Instant neural graphics primitives, 2022, for pictures with
alpha). In the first part of a fit alone: surfaces form there; later the decay of opacities should thin out
what stereo put in the wrong place. And not where other photos look and do not confirm the depth: wrong
surfaces would become opaque there.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor

from recon.methods.priors.agreement import in_other_views
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.regulariser import Backdrop, Regulariser
from recon.scene import Cameras


@dataclass(frozen=True)
class RandomBackdropConfig:
    """A colour behind the scene that changes with each step of the fit."""

    weight: float = 1.0
    """Largest value of its channels; 0 switches it off."""
    end: float = 0.5
    """Share of the fit after which the scene stands before black."""


@dataclass(frozen=True)
class RandomBackdrop(Regulariser):
    """A scene with a backdrop of its own keeps it."""

    config: RandomBackdropConfig
    solid: tuple[Bool[Tensor, "_h _w"], ...]
    """The pixels of each train view that must become opaque; the others stand before black."""

    def backdrop(
        self,
        backdrop: Backdrop,
        progress: float,
        index: int,
        size: tuple[int, int],
        generator: torch.Generator,
    ) -> Backdrop:
        if backdrop is not None or progress >= self.config.end:
            return backdrop
        colour = self.config.weight * torch.rand(3, generator=generator, device=generator.device)
        solid = F.interpolate(self.solid[index][None, None].float(), size[::-1], mode="nearest-exact")
        return solid[0, 0, ..., None] * colour


def confirmed_or_alone(cameras: Cameras, stereo: StereoPrior) -> tuple[Bool[Tensor, "_h _w"], ...]:
    """The pixels of each view whose depth is trusted, or that see what no other view has in its picture."""
    others = in_other_views(cameras, list(stereo.depths))
    return tuple(trusted | ~other for trusted, other in zip(stereo.consistent, others, strict=True))
