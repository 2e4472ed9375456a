"""The hooks through which a method acts on the loop: it calls all of them and reads no method's name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from recon.gaussians import Gaussians
from recon.methods.priors.stereo_types import StereoPrior
from recon.rendering import Rendering
from recon.scene import Views

Backdrop = Float[Tensor, "3"] | Float[Tensor, "_h _w 3"] | None
"""A colour in [0, 1] behind the whole picture, or behind each of its pixels; None is black."""


@dataclass(frozen=True)
class Moment:
    """What a hook may know of one step: train views only."""

    step: int
    """Counts from 0."""
    progress: float
    """step / max_steps, in [0, 1)."""
    index: int
    """The train view that is fitted in this step."""
    views: Views
    stereo: StereoPrior
    gaussians: Gaussians
    rendering: Rendering
    """The Gaussians from that view, as the data term sees them."""
    render_from: Callable[[Float[Tensor, "4 4"]], Rendering]
    """Draws the undisturbed Gaussians from another pose with the same intrinsics."""
    generator: torch.Generator
    """Random numbers of this step, on the device of the Gaussians."""
    traits: Mapping[str, Any] = field(default_factory=dict)
    """The state of the strategy, in which lies what `Regulariser.traits` gave, a row for each Gaussian."""


class Regulariser:
    """Hooks with neutral defaults; a regulariser overrides those it needs and keeps no state."""

    def traits(self, gaussians: Gaussians, views: Views, stereo: StereoPrior) -> dict[str, Tensor]:
        """Values with one row a Gaussian, asked for before the first step. They follow the Gaussians through
        growing, pruning and checkpoints."""
        return {}

    def opacities(
        self, opacities: Float[Tensor, " g"], progress: float, generator: torch.Generator
    ) -> Float[Tensor, " g"]:
        """Opacities that are drawn in place of the Gaussians' own."""
        return opacities

    def backdrop(
        self,
        backdrop: Backdrop,
        progress: float,
        index: int,
        size: tuple[int, int],
        generator: torch.Generator,
    ) -> Backdrop:
        """What stands behind the Gaussians in this step, which draws view `index` at `size` (width, height),
        in place of what they have of their own."""
        return backdrop

    def loss(self, moment: Moment) -> Float[Tensor, ""] | None:
        """A weighed term to add to the loss, or None in a step without one."""
        return None

    def rate_factors(self, moment: Moment) -> dict[str, Float[Tensor, " g"]]:
        """Raw parameter -> what the learning rate of each Gaussian is multiplied with."""
        return {}

    def after_step(self, moment: Moment) -> None:
        """Changes to the Gaussians' values after the optimiser's step, without gradient."""
