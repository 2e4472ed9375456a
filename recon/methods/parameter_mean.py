"""The scene as the mean of the last steps (Polyak and Juditsky 1992, https://doi.org/10.1137/0330046).

Learning rates stay high to the end, against opacity decay and dropout, so that every step is a throw around
what it aims at. Few photos leave that aim to few pixels, and the throws wide: their mean is nearer.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from recon.gaussians import Gaussians
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.regulariser import Moment, Regulariser
from recon.scene import Views


@dataclass(frozen=True)
class ParameterMeanConfig:
    """The mean of the last steps, in place of the last one."""

    mean_rate: float = 0.2
    """Share of the steps, back from the last, whose raw parameters are averaged; 0 takes the last step's.
    Where Gaussians still grow within these, the last step's are taken, too."""

    def first_step(self, max_steps: int) -> int:
        """The first step, from 0, that counts."""
        return max_steps - max(1, round(self.mean_rate * max_steps))


@dataclass(frozen=True)
class ParameterMean(Regulariser):
    """Gives the Gaussians, after the last step, the mean of their raw parameters over the last steps.

    The running mean is a trait, so that it is pruned with the Gaussians and kept in checkpoints."""

    config: ParameterMeanConfig
    max_steps: int
    """Steps of the fit."""

    def traits(self, gaussians: Gaussians, views: Views, stereo: StereoPrior) -> dict[str, Tensor]:
        return {_trait(name): value.detach().clone() for name, value in gaussians.named_parameters()}

    @torch.no_grad()
    def after_step(self, moment: Moment) -> None:
        first = self.config.first_step(self.max_steps)
        if moment.step < first:
            return
        for name, parameter in moment.gaussians.named_parameters():
            mean = moment.traits[_trait(name)]
            mean.lerp_(parameter, 1 / (moment.step - first + 1))
            if moment.step == self.max_steps - 1:
                parameter.copy_(mean)


def _trait(parameter: str) -> str:
    return f"mean.{parameter}"
