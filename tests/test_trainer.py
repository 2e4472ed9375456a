"""The loop fits a scene known exactly, takes the same course again, and can be stopped anywhere."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import torch
from gsplat.strategy import DefaultStrategy
from synthetic import Truth
from torch import Tensor

from recon.densify import Prune, PruneConfig
from recon.gaussians import Gaussians
from recon.initialise import InitialiseConfig, initialise
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.regulariser import Moment, Regulariser
from recon.methods.shifted_camera import ShiftedCamera
from recon.methods.table import METHODS, MethodConfig, make_recipe
from recon.rendering import Engine, render
from recon.rendering.cpu import rasterize_cpu
from recon.rendering.reference import rasterize_reference
from recon.scene import Views
from recon.trainer import (
    FitConfig,
    FitState,
    RatesConfig,
    Recipe,
    fit,
    make_optimisers,
    near_plane,
    view_of_step,
)

EAGER = DefaultStrategy(refine_start_iter=1, refine_every=5, reset_every=1000, grow_grad2d=1e-5)
"""Grows within a few steps."""


def small(name: str, steps: int = 12) -> MethodConfig:
    """A method of the table for a scene of a few hundred Gaussians and a fit of some steps."""
    config = METHODS[name][1]
    return replace(
        config,
        # Photos of 30 pixels have no keypoints to begin with.
        initialise=replace(config.initialise, points="stereo", max_gaussians=300, border_spacing=6),
        fit=replace(config.fit, max_steps=steps),
        prune=replace(config.prune, every=5, min_opacity=0.95 * config.initialise.opacity),
        grow=EAGER,
    )


def make_state(truth: Truth, config: MethodConfig) -> FitState:
    gaussians = initialise(truth.views, truth.stereo, config.initialise)
    return FitState(gaussians, make_optimisers(gaussians, config.fit.rates))


def make_steps(
    truth: Truth, state: FitState, recipe: Recipe, config: MethodConfig, engine: Engine = rasterize_cpu
) -> Iterator:
    return recipe.loop(truth.views, truth.stereo, state, recipe, engine, config.fit)


def values(gaussians: Gaussians) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in gaussians.named_parameters()}


def assert_same_bytes(a: Gaussians, b: Gaussians) -> None:
    for (name, x), y in zip(a.named_parameters(), b.parameters(), strict=True):
        assert torch.equal(x, y), name


@pytest.fixture(scope="module")
def train(small_truth: Truth) -> Truth:
    """Three photos of four."""
    return small_truth.select(0, 1, 2)


def error(gaussians: Gaussians, views: Views, near: float) -> float:
    """Mean squared difference of pictures and photos."""
    with torch.no_grad():
        pictures = [
            render(gaussians, views.cameras, i, rasterize_cpu, near=near).rgb for i in range(len(views))
        ]
    return sum((p - photo).square().mean().item() for p, photo in zip(pictures, views.images, strict=True))


def test_a_known_scene_is_learned_and_an_unseen_photo_with_it(small_truth: Truth, train: Truth):
    # Losses on photos of half the size are lower: they would not compare.
    config = replace(METHODS["recon"][1], fit=FitConfig(max_steps=150, coarse_share=0.0))
    state, held_out = make_state(train, config), small_truth.views.select([3])
    near = near_plane(train.stereo)
    before = error(state.gaussians, train.views, near) / 3, error(state.gaussians, held_out, near)
    losses = [
        step.losses["photometric"].item()
        for step in make_steps(train, state, make_recipe(config, train.views, train.stereo), config)
    ]
    after = error(state.gaussians, train.views, near) / 3, error(state.gaussians, held_out, near)

    assert sum(losses[-15:]) < 0.3 * sum(losses[:15])
    assert after[0] < 0.1 * before[0]
    assert after[1] < 0.2 * before[1]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_takes_three_steps_on_the_reference_engine(train: Truth, name: str):
    config = small(name, steps=3)
    state = make_state(train, config)
    recipe = make_recipe(config, train.views, train.stereo)
    before = values(state.gaussians)
    steps = list(make_steps(train, state, recipe, config, rasterize_reference))
    assert [step.step for step in steps] == [1, 2, 3]
    assert all(term.isfinite() and not term.requires_grad for step in steps for term in step.losses.values())
    assert not torch.equal(state.gaussians.means[:50], before["means"][:50])


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(train: Truth, name: str):
    def run(seed: int) -> Gaussians:
        config = small(name)
        config = replace(config, fit=replace(config.fit, seed=seed))
        state = make_state(train, config)
        torch.manual_seed(seed + 1000)  # of no consequence
        for _ in make_steps(train, state, make_recipe(config, train.views, train.stereo), config):
            torch.rand(1)
        return state.gaussians

    first, again, other = run(1), run(1), run(2)
    assert_same_bytes(first, again)
    assert len(first) != len(other) or not torch.equal(first.means, other.means)


@pytest.mark.parametrize("name", METHODS)
def test_no_global_random_number_is_drawn(train: Truth, name: str):
    config = small(name)
    state = make_state(train, config)
    before = torch.get_rng_state()
    for _ in make_steps(train, state, make_recipe(config, train.views, train.stereo), config):
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("stop", [1, 7, 10])
def test_a_stopped_fit_goes_on_as_if_never_stopped(train: Truth, name: str, stop: int):
    config = small(name)
    undisturbed = make_state(train, config)
    list(make_steps(train, undisturbed, make_recipe(config, train.views, train.stereo), config))

    first, recipe = make_state(train, config), make_recipe(config, train.views, train.stereo)
    for step in make_steps(train, first, recipe, config):
        if step.step == stop:
            break
    restored, recipe = saved_and_restored(first, recipe, config, train)
    steps = list(make_steps(train, restored, recipe, config))

    assert [step.step for step in steps] == list(range(stop + 1, 13))
    assert_same_bytes(restored.gaussians, undisturbed.gaussians)


def saved_and_restored(
    state: FitState, recipe: Recipe, config: MethodConfig, truth: Truth
) -> tuple[FitState, Recipe]:
    """What a checkpoint would hold, in fresh objects."""
    gaussians = Gaussians(**values(state.gaussians))
    optimisers = make_optimisers(gaussians, config.fit.rates)
    for name, optimiser in optimisers.items():
        optimiser.load_state_dict(copy.deepcopy(state.optimisers[name].state_dict()))
    restored = make_recipe(config, truth.views, truth.stereo)
    restored.strategy.state.update(copy.deepcopy(recipe.strategy.state))
    partner = None
    if state.partner is not None and recipe.partner is not None:
        partner, its_recipe = saved_and_restored(state.partner, recipe.partner, config, truth)
        restored = replace(restored, partner=its_recipe)
    return FitState(gaussians, optimisers, state.step, partner), restored


def test_pruning_and_growing_happened_in_these_fits(train: Truth):
    counts = {}
    for name in METHODS:
        config = small(name)
        state = make_state(train, config)
        before = len(state.gaussians)
        list(make_steps(train, state, make_recipe(config, train.views, train.stereo), config))
        counts[name] = len(state.gaussians) - before
    assert counts["recon"] < 0 < counts["3dgs"]


def test_every_photo_comes_once_an_epoch_in_changing_order():
    order = [view_of_step(step, 5, seed=3) for step in range(100)]
    epochs = [tuple(order[i : i + 5]) for i in range(0, 100, 5)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len(set(epochs)) > 10
    assert [view_of_step(step, 5, seed=4) for step in range(100)] != order


def test_the_last_step_ends_the_fit_and_a_finished_one_yields_nothing(train: Truth):
    config = small("recon", steps=2)
    state = make_state(train, config)
    recipe = make_recipe(config, train.views, train.stereo)
    assert len(list(make_steps(train, state, recipe, config))) == 2
    assert state.step == 2
    assert list(make_steps(train, state, recipe, config)) == []


@dataclass(frozen=True)
class Spy(Regulariser):
    """Remembers what it was called with."""

    moments: list[Moment]
    after: list[float]

    def opacities(self, opacities: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        return opacities * 0.5

    def loss(self, moment: Moment) -> Tensor | None:
        self.moments.append(moment)
        return None if len(self.moments) == 1 else moment.rendering.depth.mean()

    def after_step(self, moment: Moment) -> None:
        self.after.append(moment.progress)


def test_hooks_are_called_in_every_step_with_what_they_may_know(train: Truth):
    config = small("recon", steps=4)
    state, spy = make_state(train, config), Spy([], [])
    recipe = Recipe({"spy": spy}, Prune(PruneConfig(every=0)))
    steps = list(make_steps(train, state, recipe, config))
    assert [moment.progress for moment in spy.moments] == spy.after == [0.0, 0.25, 0.5, 0.75]
    assert [moment.index for moment in spy.moments] == [view_of_step(i, 3, 0) for i in range(4)]
    # A hook without a term adds none; its opacities are drawn, but not by `render_from`.
    assert set(steps[0].losses) == {"photometric"} and set(steps[1].losses) == {"photometric", "spy"}
    moment = spy.moments[-1]
    with torch.no_grad():
        pose = train.views.cameras.camera_from_world[moment.index]
        assert moment.render_from(pose).alpha.mean() > 1.2 * moment.rendering.alpha.mean()


@dataclass(frozen=True)
class Marks(Regulariser):
    """Remembers where each Gaussian began, and lets every second one step ten times as far."""

    def traits(self, gaussians: Gaussians, views: Views, stereo: StereoPrior) -> dict[str, Tensor]:
        return {"start": gaussians.means.detach().clone()}

    def rate_factors(self, moment: Moment) -> dict[str, Tensor]:
        return {"means": far_or_near(len(moment.gaussians)), "sh0": torch.zeros(len(moment.gaussians))}


def far_or_near(count: int) -> Tensor:
    return torch.tensor([1.0, 10.0]).repeat(count)[:count]


def test_a_trait_stays_with_its_gaussian_when_others_are_pruned(train: Truth):
    config = small("recon")
    config = replace(config, fit=replace(config.fit, rates=RatesConfig(means=0.0)))
    state, recipe = make_state(train, config), make_recipe(config, train.views, train.stereo)
    before = len(state.gaussians)
    recipe = replace(recipe, regularisers={**recipe.regularisers, "marks": Marks()})
    list(make_steps(train, state, recipe, config))
    assert 0 < len(state.gaussians) < before
    assert torch.equal(recipe.strategy.state["start"], state.gaussians.means)


def test_grown_gaussians_inherit_traits_and_a_restored_fit_keeps_them(train: Truth):
    config = small("3dgs")
    state, recipe = make_state(train, config), make_recipe(config, train.views, train.stereo)
    recipe = replace(recipe, regularisers={"marks": Marks()})
    started = {tuple(mean) for mean in state.gaussians.means.tolist()}
    for step in make_steps(train, state, recipe, config):
        if step.step == 7:
            break
    grown = len(state.gaussians)
    assert grown > len(started)
    state, fresh = saved_and_restored(state, recipe, config, train)
    list(make_steps(train, state, replace(fresh, regularisers={"marks": Marks()}), config))
    starts = fresh.strategy.state["start"]
    assert len(starts) == len(state.gaussians) >= grown
    assert {tuple(start) for start in starts.tolist()} <= started


def test_rate_factors_are_learning_rates_of_single_gaussians(train: Truth):
    config = small("3dgs", steps=1)
    plain, marked = make_state(train, config), make_state(train, config)
    before = values(plain.gaussians)
    for state, regularisers in ((plain, {}), (marked, {"marks": Marks()})):
        list(make_steps(train, state, Recipe(regularisers, Prune(PruneConfig(every=0))), config))
    step, scaled = (state.gaussians.means.detach() - before["means"] for state in (plain, marked))
    assert step.abs().max() > 0
    torch.testing.assert_close(scaled, step * far_or_near(len(step))[:, None], atol=1e-6, rtol=1e-3)
    assert torch.equal(marked.gaussians.sh0, before["sh0"])
    assert torch.equal(marked.gaussians.quats, plain.gaussians.quats)


def test_harmonics_wait_for_their_share_of_the_fit(train: Truth):
    config = small("recon", steps=8)
    state = make_state(train, config)
    recipe = Recipe({}, Prune(PruneConfig(every=0)))
    moved = [bool((step.gaussians.shN != 0).any()) for step in make_steps(train, state, recipe, config)]
    assert moved == [False] * 4 + [True] * 4


def test_the_rate_of_the_means_falls_and_is_in_units_of_the_scene(train: Truth):
    config = small("recon", steps=4)
    state = make_state(train, config)
    rates = [
        state.optimisers["means"].param_groups[0]["lr"]
        for _ in make_steps(train, state, make_recipe(config, train.views, train.stereo), config)
    ]
    first = config.fit.rates.means * train.stereo.scale
    assert rates == pytest.approx([first * 0.01**progress for progress in (0, 0.25, 0.5, 0.75)])


def test_masked_pixels_teach_nothing(train: Truth):
    config = small("recon", steps=3)
    hidden = tuple(torch.zeros(image.shape[:2], dtype=torch.bool) for image in train.views.images)
    state = make_state(train, config)
    before = values(state.gaussians)
    views = replace(train.views, masks=hidden)
    list(fit(views, train.stereo, state, Recipe({}, Prune(PruneConfig(every=0))), rasterize_cpu, config.fit))
    for name, parameter in state.gaussians.named_parameters():
        assert torch.equal(parameter, before[name]), name


def test_a_switched_off_part_is_not_in_the_recipe(train: Truth):
    assert make_recipe(METHODS["3dgs"][1], train.views, train.stereo).regularisers == {}
    everything = make_recipe(METHODS["recon"][1], train.views, train.stereo).regularisers
    parts = {"dropout", "random_backdrop", "shifted_camera", "opacity_decay", "parameter_mean"}
    assert set(everything) == parts


def test_lengths_of_the_recipe_are_those_of_the_scene(train: Truth):
    config = small("3dgs")
    shifted = replace(config, shifted_camera=METHODS["recon"][1].shifted_camera)
    recipe = make_recipe(shifted, train.views, train.stereo)
    # By hand from synthetic.STATIONS: the second and the third camera are the farthest apart.
    baseline = (0.85**2 + 0.05**2 + 0.15**2) ** 0.5
    term = recipe.regularisers["shifted_camera"]
    assert isinstance(term, ShiftedCamera) and term.baseline == pytest.approx(baseline, rel=1e-4)
    assert recipe.strategy.state["scene_scale"] == train.stereo.scale


def test_there_is_one_rate_for_every_parameter(train: Truth):
    gaussians = initialise(train.views, train.stereo, InitialiseConfig())
    rates = RatesConfig()
    optimisers = make_optimisers(gaussians, rates)
    assert {name: o.param_groups[0]["lr"] for name, o in optimisers.items()} == {
        name: getattr(rates, name) for name, _ in gaussians.named_parameters()
    }
