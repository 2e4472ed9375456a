"""Two fields fitted side by side differ, are drawn together, and prune what only one of them has."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from gsplat.strategy import DefaultStrategy
from synthetic import Truth

from recon.checkpoint import load_checkpoint, save_checkpoint
from recon.densify import Prune, PruneConfig
from recon.initialise import initialise
from recon.methods.co_regularisation import (
    CoRegularisationConfig,
    PairedFit,
    cube_numbers,
    prune_unmatched,
    unmatched,
)
from recon.methods.table import METHODS, MethodConfig, make_recipe
from recon.rendering.cpu import rasterize_cpu
from recon.trainer import FitState, Recipe, make_optimisers

GROW = DefaultStrategy(refine_start_iter=1, refine_every=4, reset_every=1000, grow_grad2d=1e-5)


def config_of(steps: int = 12, **values: float) -> MethodConfig:
    config = METHODS["cor-gs"][1]
    return replace(
        config,
        initialise=replace(config.initialise, max_gaussians=200),
        fit=replace(config.fit, max_steps=steps),
        co_regularisation=CoRegularisationConfig(**{"weight": 1.0, "prune_every": 0, **values}),
        grow=GROW,
    )


def make_state(truth: Truth, config: MethodConfig) -> FitState:
    gaussians = initialise(truth.views, truth.stereo, config.initialise)
    return FitState(gaussians, make_optimisers(gaussians, config.fit.rates))


def run(truth: Truth, config: MethodConfig, recipe: Recipe | None = None) -> tuple[FitState, list]:
    state = make_state(truth, config)
    recipe = recipe or make_recipe(config, truth.views, truth.stereo)
    steps = list(recipe.loop(truth.views, truth.stereo, state, recipe, rasterize_cpu, config.fit))
    return state, steps


def test_matches_are_found_as_a_naive_search_finds_them():
    generator = torch.Generator().manual_seed(0)
    means, others = 4 * torch.rand(2, 600, 3, generator=generator) - 2
    edge = 0.15
    nearest = torch.cdist(means, others).amin(dim=1)
    alone = unmatched(means, others, edge)
    assert alone.any() and not alone.all()
    assert not alone[nearest < edge].any()
    assert alone[nearest > 2 * 3**0.5 * edge].all()


def test_cubes_are_numbered_apart_and_take_in_everything():
    corners = torch.tensor([[0.5, 0.5, 0.5], [-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]])
    assert len(cube_numbers(corners, 1.0).unique()) == 4
    strange = torch.tensor([[torch.inf, 0.0, 0.0], [torch.nan, 0.0, 0.0], [1e30, -1e30, 0.0]])
    assert (cube_numbers(strange, 1e-6) >= 0).all()
    assert unmatched(strange, corners, 1.0).tolist() == [True, False, True]


def test_an_empty_field_matches_nothing():
    assert unmatched(torch.zeros(3, 3), torch.zeros(0, 3), 1.0).all()


def test_what_only_one_field_has_is_removed_from_it(small_truth: Truth):
    config = config_of()
    first, second = make_state(small_truth, config), make_state(small_truth, config)
    count = len(first.gaussians)
    with torch.no_grad():
        first.gaussians.means[7] += 100.0
        second.gaussians.means[[3, 5]] -= 100.0
    kept = [torch.ones(count, dtype=torch.bool) for _ in range(2)]
    kept[0][7] = kept[1][3] = kept[1][5] = False
    expected = [s.gaussians.means.detach()[k].clone() for s, k in zip((first, second), kept, strict=True)]
    recipes = [Recipe({}, Prune(PruneConfig())) for _ in range(2)]
    prune_unmatched((first, recipes[0]), (second, recipes[1]), 10.0)
    assert torch.equal(first.gaussians.means, expected[0])
    assert torch.equal(second.gaussians.means, expected[1])


def test_the_fields_differ_once_they_grew_and_then_their_pictures_are_compared(small_truth: Truth):
    state, steps = run(small_truth, config_of(start=0.25))
    terms = [step.losses.get("co_regularisation") for step in steps]
    assert terms[:3] == [None] * 3
    values = [term.item() for term in terms if term is not None]
    assert values[0] == pytest.approx(0, abs=1e-5) and min(values[-3:]) > 1e-4
    assert state.partner is not None
    assert len(state.partner.gaussians) != len(state.gaussians) or not torch.equal(
        state.partner.gaussians.means, state.gaussians.means
    )


def test_comparing_brings_the_pictures_together(small_truth: Truth):
    def disagreement(weight: float) -> float:
        _, steps = run(small_truth, config_of(steps=24, weight=weight))
        return sum(step.losses["co_regularisation"].item() for step in steps[-8:]) / weight

    assert disagreement(20.0) < 0.9 * disagreement(1e-3)


def test_the_fields_are_pruned_in_their_time(small_truth: Truth):
    without, _ = run(small_truth, config_of(steps=9))
    often, _ = run(small_truth, config_of(steps=9, prune_every=9, prune_reach=1e-3))
    seldom, _ = run(small_truth, config_of(steps=9, prune_every=10, prune_reach=1e-3))
    assert len(often.gaussians) < len(without.gaussians) == len(seldom.gaussians)


def test_without_terms_of_its_own_the_first_field_is_that_of_a_single_fit(small_truth: Truth):
    config = config_of()
    alone, _ = run(small_truth, replace(config, co_regularisation=CoRegularisationConfig(weight=0.0)))
    recipe = make_recipe(config, small_truth.views, small_truth.stereo)
    assert isinstance(recipe.loop, PairedFit)
    silent = replace(recipe.loop.config, start=1.0)
    paired, _ = run(small_truth, config, replace(recipe, loop=replace(recipe.loop, config=silent)))
    assert alone.partner is None and paired.partner is not None
    for a, b in zip(alone.gaussians.parameters(), paired.gaussians.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_restored_pair_goes_on_as_if_never_stopped(small_truth: Truth, tmp_path: Path):
    config = config_of(prune_every=5)
    whole, _ = run(small_truth, config)
    state, recipe = (
        make_state(small_truth, config),
        make_recipe(config, small_truth.views, small_truth.stereo),
    )
    for step in recipe.loop(small_truth.views, small_truth.stereo, state, recipe, rasterize_cpu, config.fit):
        if step.step == 7:
            break
    save_checkpoint(tmp_path / "latest.safetensors", state, recipe)
    fresh = make_recipe(config, small_truth.views, small_truth.stereo)
    restored = load_checkpoint(tmp_path / "latest.safetensors", config.fit.rates, fresh, torch.device("cpu"))
    list(fresh.loop(small_truth.views, small_truth.stereo, restored, fresh, rasterize_cpu, config.fit))
    assert restored.step == 12
    assert whole.partner is not None and restored.partner is not None
    for a, b in ((whole, restored), (whole.partner, restored.partner)):
        for x, y in zip(a.gaussians.parameters(), b.gaussians.parameters(), strict=True):
            assert torch.equal(x, y)
