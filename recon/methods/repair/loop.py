"""Repair in the fit: rounds of drawing pictures between the photos, repairing them and fitting them.

From the first round on, a second field is fitted without repair, from the same state and by the same random
numbers: it is the fit that there would have been. If a photo looks worse in the repaired field than in that
one by more than `RepairConfig.max_loss`, that one is the result.
"""

import copy
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from recon.checkpoint import field_from_tensors, field_tensors
from recon.events import Step
from recon.losses import weighted_photometric_loss
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.repair.config import RepairConfig
from recon.methods.repair.rounds import Draw, Place, Repair, camera_of, repaired_pictures
from recon.metrics import psnr
from recon.rendering import Engine, Rendering, render
from recon.scene import Cameras, Views
from recon.seeds import step_seed
from recon.trainer import (
    FitConfig,
    FitState,
    Recipe,
    add_traits,
    advance,
    draw,
    harmonics_degree,
    near_plane,
    steps_to_take,
    view_of_step,
    weighed_losses,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RepairedFit:
    """A loop in place of `recon.trainer.fit`; the partner of its state is the fit without repair."""

    config: RepairConfig
    place: Place
    repair: Repair

    def __call__(
        self,
        views: Views,
        stereo: StereoPrior,
        state: FitState,
        recipe: Recipe,
        engine: Engine,
        config: FitConfig,
    ) -> Iterator[Step]:
        """Changes `state` step by step, as `fit` does; makes its partner in the first round."""
        add_traits(views, stereo, state, recipe)
        losses: dict[str, Tensor] = {}
        for seen, generator in steps_to_take(views, stereo, state, config):
            step, steps = state.step, config.max_steps
            look = look_from(state, engine, config, near_plane(stereo))
            if (number := self.config.round_at(step, steps)) is not None:
                self._begin_round(number, views, stereo, state, recipe, look, config)
            # The repaired field comes last: its losses are shown.
            for field, parts in fields_of(state, recipe):
                generator.manual_seed(generator.initial_seed())
                moment = draw(*seen, field, parts, engine, config, generator)
                losses = weighed_losses(moment, parts, config)
                if field is state and self.config.fits_pictures_at(step, steps):
                    losses["repair"] = self._picture_loss(state, look, config)
                torch.stack(list(losses.values())).sum().backward()
                advance(field, moment, parts, config, stereo.scale)
            if state.step == steps:
                self._settle(views, state, engine, config, near_plane(stereo))
            yield Step(state.step, steps, {k: v.detach() for k, v in losses.items()}, state.gaussians)

    @torch.no_grad()
    def _begin_round(
        self,
        number: int,
        views: Views,
        stereo: StereoPrior,
        state: FitState,
        recipe: Recipe,
        look: Draw,
        config: FitConfig,
    ) -> None:
        """Makes the pictures to be fitted from now on and, in the first round, the field without repair."""
        if number == 0 and math.isfinite(self.config.max_loss):
            state.partner = copied(state, recipe, config)
        # On the host: the same cameras on every device.
        generator = torch.Generator().manual_seed(step_seed(config.seed, state.step))
        cameras = self.place(views, stereo, look, number, generator)
        reach = self.config.pseudo_views.reach
        state.kept = repaired_pictures(views, cameras, look, self.repair, reach)

    def _picture_loss(self, state: FitState, look: Draw, config: FitConfig) -> Float[Tensor, ""]:
        """Data term of one of the round's pictures, each in its turn."""
        count = len(state.kept["Ks"])
        index = view_of_step(state.step // self.config.every, count, config.seed)
        drawn = look(camera_of(state.kept, index), 0)
        target, weight = state.kept[f"{index}.rgb"], state.kept[f"{index}.weight"]
        loss = weighted_photometric_loss(drawn.rgb, target, weight, config.dssim_weight)
        return self.config.weight * self.config.every * loss

    def _settle(self, views: Views, state: FitState, engine: Engine, config: FitConfig, near: float) -> None:
        """At the end: takes the field without repair if a photo lost by it, and forgets what is not needed
        any more."""
        state.kept = {}
        if state.partner is None:
            return
        repaired, plain = (
            photo_scores(views, look_from(field, engine, config, near)) for field in (state, state.partner)
        )
        loss, name = max((b - a, name) for a, b, name in zip(repaired, plain, views.names, strict=True))
        if loss > self.config.max_loss:
            logger.warning("Repair cost %s %.2f dB: the scene is the one without it.", name, loss)
            take_partner(state)


def look_from(state: FitState, engine: Engine, config: FitConfig, near: float) -> Draw:
    """Draws the undisturbed Gaussians of this step from any camera."""
    gaussians = state.gaussians
    # The last step has been taken when the photos are looked at.
    degree = harmonics_degree(gaussians, min(1.0, state.step / config.max_steps), config)

    def look(cameras: Cameras, index: int) -> Rendering:
        drawn = render(gaussians, cameras, index, engine, sh_degree=degree, near=near)
        return drawn.over(gaussians.backdrop)

    return look


def fields_of(state: FitState, recipe: Recipe) -> list[tuple[FitState, Recipe]]:
    """The fields to fit in a step: that without repair, if there is one yet, and the repaired one."""
    if state.partner is None or recipe.partner is None:
        return [(state, recipe)]
    return [(state.partner, recipe.partner), (state, recipe)]


def copied(state: FitState, recipe: Recipe, config: FitConfig) -> FitState:
    """A second field in the same state, the strategy of `recipe.partner` with it."""
    assert recipe.partner is not None, "a repaired fit has a recipe for the fit without repair"
    tensors = {name: tensor.detach().clone() for name, tensor in field_tensors(state, recipe).items()}
    return field_from_tensors(tensors, config.rates, recipe.partner, state.step)


def take_partner(state: FitState) -> None:
    """Gives the first field the values of the second; whoever watches it sees them.

    A copy: two fields that share their tensors cannot be saved."""
    assert state.partner is not None, "there is a second field"
    partner = copy.deepcopy(state.partner)
    for name, parameter in partner.gaussians.named_parameters():
        setattr(state.gaussians, name, parameter)
    state.optimisers = partner.optimisers


@torch.no_grad()
def photo_scores(views: Views, look: Draw) -> list[float]:
    """PSNR of each photo, of the part of it that counts."""
    scores = []
    for index, (photo, mask) in enumerate(zip(views.images, views.masks, strict=True)):
        rgb = look(views.cameras, index).rgb.clamp(0, 1)
        scores.append(psnr(rgb, photo) if mask is None else psnr(rgb[mask], photo[mask]))
    return scores
