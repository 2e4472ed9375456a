"""Two fields that check each other (CoR-GS, Zhang et al., ECCV 2024), in a loop of their own.

Two fields of Gaussians are fitted to the same photos from the same points; they differ by how they happened
to grow. Where they disagree both are probably wrong: between the photos they are drawn alike
(co-regularisation), and Gaussians far from all of the other field's are removed (co-pruning). The first field
is the result. CoR-GS reports 20.45 dB on LLFF with three views, in twice the time and memory of one field.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.densify import remove_gaussians
from recon.events import Step
from recon.losses import photometric_loss
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.pseudo_views import random_pose_between
from recon.methods.regulariser import Moment
from recon.rendering import Engine
from recon.scene import Views
from recon.seeds import step_seed
from recon.trainer import (
    FitConfig,
    FitState,
    Recipe,
    add_traits,
    advance,
    draw,
    make_optimisers,
    steps_to_take,
    weighed_losses,
)


@dataclass(frozen=True)
class CoRegularisationConfig:
    """A second field of Gaussians, fitted beside the first."""

    weight: float = 0.0
    """Weight of the difference of the two fields' pictures between the photos; 0 leaves the second field
    away."""
    start: float = 0.05
    """Share of the fit before pictures are compared."""
    prune_every: int = 250
    """Steps between two removals of Gaussians that the other field has nothing near; 0 removes none."""
    prune_reach: float = 0.1
    """What is near: the edge of the cubes that are searched, the Gaussian's own and those around it, as a
    share of the scene's median depth."""


@dataclass(frozen=True)
class PairedFit:
    """A loop in place of `recon.trainer.fit`: the state and the recipe have a partner each."""

    config: CoRegularisationConfig
    partners: tuple[int, ...]
    """For each train view the one that its pseudo views lie towards."""

    def __call__(
        self,
        views: Views,
        stereo: StereoPrior,
        state: FitState,
        recipe: Recipe,
        engine: Engine,
        config: FitConfig,
    ) -> Iterator[Step]:
        """Changes `state` and its partner step by step, as `fit` changes one; the partner is made before the
        first step."""
        fields = ((state, recipe, config), partner_of(state, recipe, config))
        for field, parts, _ in fields:
            add_traits(views, stereo, field, parts)
        for seen, generator in steps_to_take(views, stereo, state, config):
            moments, losses = [], []
            for field, parts, _ in fields:
                # The seed of the first: both see the same photo.
                moments.append(draw(*seen, field, parts, engine, config, generator))
                losses.append(weighed_losses(moments[-1], parts, config))
            if moments[0].progress >= self.config.start:
                term = self.config.weight * self._disagreement(moments, config.dssim_weight)
                losses[0]["co_regularisation"] = term
            torch.stack([term for terms in losses for term in terms.values()]).sum().backward()
            for (field, parts, own), moment in zip(fields, moments, strict=True):
                advance(field, moment, parts, own, stereo.scale)
            if self.config.prune_every and state.step % self.config.prune_every == 0:
                prune_unmatched(fields[0][:2], fields[1][:2], self.config.prune_reach * stereo.scale)
            shown = {name: term.detach() for name, term in losses[0].items()}
            yield Step(state.step, config.max_steps, shown, state.gaussians)

    def _disagreement(self, moments: list[Moment], dssim_weight: float) -> Float[Tensor, ""]:
        """Data term between the two fields' pictures from one pseudo view; each field takes the other's as
        given."""
        first = moments[0]
        pose = random_pose_between(
            first.views.cameras, first.index, self.partners[first.index], first.generator
        )
        a, b = (moment.render_from(pose).rgb for moment in moments)
        return photometric_loss(a, b.detach(), None, dssim_weight) + photometric_loss(
            b, a.detach(), None, dssim_weight
        )


def partner_of(state: FitState, recipe: Recipe, config: FitConfig) -> tuple[FitState, Recipe, FitConfig]:
    """The second field with its recipe and its settings: a copy of the first before the first step, which
    grows by other random numbers."""
    assert recipe.partner is not None, "a paired fit has a recipe for its second field"
    if state.partner is None:
        gaussians = state.gaussians.select(torch.ones_like(state.gaussians.logit_opacities, dtype=torch.bool))
        state.partner = FitState(gaussians, make_optimisers(gaussians, config.rates), state.step)
    return state.partner, recipe.partner, replace(config, seed=step_seed(config.seed, config.max_steps))


def prune_unmatched(first: tuple[FitState, Recipe], second: tuple[FitState, Recipe], edge: float) -> None:
    """Removes from both fields what has nothing of the other near: see `unmatched`."""
    means = [field.gaussians.means.detach() for field, _ in (first, second)]
    alone = unmatched(means[0], means[1], edge), unmatched(means[1], means[0], edge)
    for (field, recipe), which in zip((first, second), alone, strict=True):
        remove_gaussians(field.gaussians, field.optimisers, recipe.strategy.state, which)


def unmatched(means: Float[Tensor, "g 3"], others: Float[Tensor, "m 3"], edge: float) -> Bool[Tensor, " g"]:
    """Which points have none of the others in the 27 cubes of a grid around them: none nearer than `edge`,
    that is; all that have none within 2 sqrt(3) edges are among them."""
    if not len(others):
        return torch.ones(len(means), dtype=torch.bool, device=means.device)
    occupied = cube_numbers(others, edge).unique()
    steps = torch.cartesian_prod(*[torch.arange(-1, 2, device=means.device)] * 3)
    around = numbered(steps)
    wanted = cube_numbers(means, edge)[:, None] + around
    found = torch.searchsorted(occupied, wanted).clamp_max(len(occupied) - 1)
    return (occupied[found] != wanted).all(dim=1)


def cube_numbers(means: Float[Tensor, "g 3"], edge: float) -> Int[Tensor, " g"]:
    """One number for each cube of the grid; all that is very far lies in the outermost cubes."""
    half = CUBES // 2
    cell = (means / edge).nan_to_num().floor().clamp(1 - half, half - 2).long() + half
    return numbered(cell)


def numbered(cells: Int[Tensor, "g 3"]) -> Int[Tensor, " g"]:
    """One number for each triple; CUDA has no matrix product of integers."""
    return (cells * cells.new_tensor(CUBE_STRIDES)).sum(-1)


CUBES = 2**20
"""Cubes along an axis: three such numbers fit into 64 bits."""
CUBE_STRIDES = (CUBES**2, CUBES, 1)
