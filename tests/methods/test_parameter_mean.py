"""After the last step the Gaussians are what they were in the mean of the last steps, and only then."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from moments import make_gaussians, make_moment
from synthetic import Truth
from torch import Tensor

from recon.checkpoint import load_checkpoint, save_checkpoint
from recon.densify import PruneConfig, remove_gaussians
from recon.densify_budget import BudgetConfig
from recon.gaussians import Gaussians
from recon.initialise import InitialiseConfig, initialise
from recon.methods.parameter_mean import ParameterMean, ParameterMeanConfig
from recon.methods.table import METHODS, MethodConfig, make_recipe
from recon.rendering import pick_engine
from recon.trainer import FitConfig, FitState, RatesConfig, make_optimisers

STEPS = 10


def run(
    truth: Truth, regulariser: ParameterMean, change: Callable[[int, Gaussians, dict[str, Tensor]], None]
) -> tuple[Gaussians, list[dict[str, Tensor]]]:
    """The Gaussians after STEPS steps, each of which is `change`; and their parameters within each step."""
    gaussians = make_gaussians()
    traits = dict(regulariser.traits(gaussians, truth.views, truth.stereo))
    history = []
    for step in range(STEPS):
        with torch.no_grad():
            change(step, gaussians, traits)
        history.append({name: value.detach().clone() for name, value in gaussians.named_parameters()})
        moment = make_moment(truth, step=step, progress=step / STEPS)
        regulariser.after_step(replace(moment, gaussians=gaussians, traits=traits))
        if step < STEPS - 1:
            for name, value in gaussians.named_parameters():
                assert torch.equal(value, history[-1][name]), "changed before the last step"
    return gaussians, history


def shake(step: int, gaussians: Gaussians, traits: dict[str, Tensor]) -> None:
    generator = torch.Generator().manual_seed(step)
    for parameter in gaussians.parameters():
        parameter += torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize(("rate", "averaged"), [(0.3, 3), (1.0, STEPS), (0.01, 1)])
def test_the_last_step_leaves_the_plain_mean_of_the_share(small_truth: Truth, rate: float, averaged: int):
    mean = ParameterMean(ParameterMeanConfig(rate), STEPS)
    gaussians, history = run(small_truth, mean, shake)
    for name, value in gaussians.named_parameters():
        naive = torch.stack([values[name] for values in history[-averaged:]]).mean(0)
        torch.testing.assert_close(value.detach(), naive)
        assert value.requires_grad and value.is_leaf


def test_the_mean_follows_the_gaussians_that_are_left(small_truth: Truth):
    gone = torch.tensor([False, True, False, False, True])

    def move(step: int, gaussians: Gaussians, traits: dict[str, Tensor]) -> None:
        if step == STEPS - 2:
            optimisers = make_optimisers(gaussians, RatesConfig())
            remove_gaussians(gaussians, optimisers, traits, gone)
        for parameter in gaussians.parameters():
            parameter += 1

    start = make_gaussians()
    gaussians, _ = run(small_truth, ParameterMean(ParameterMeanConfig(0.4), STEPS), move)
    for name, value in gaussians.named_parameters():
        # Steps 6 to 9 leave a Gaussian 7 to 10 above where it began.
        torch.testing.assert_close(value.detach(), getattr(start, name).detach()[~gone] + 8.5)


QUICK = replace(
    METHODS["recon"][1],
    initialise=InitialiseConfig(max_gaussians=200, border_spacing=8),
    fit=FitConfig(max_steps=10),
    prune=PruneConfig(every=3, min_opacity=0.19),
    parameter_mean=ParameterMeanConfig(0.5),
)
"""A fit that prunes while it averages."""


def fitted(truth: Truth, config: MethodConfig, cut: Path | None = None) -> dict[str, Tensor]:
    """Raw parameters after a fit; with a file, one that was stopped and went on from it."""
    recipe = make_recipe(config, truth.views, truth.stereo)
    gaussians = initialise(truth.views, truth.stereo, config.initialise)
    state = FitState(gaussians, make_optimisers(gaussians, config.fit.rates))
    engine = pick_engine("auto", torch.device("cpu"))
    for step in recipe.loop(truth.views, truth.stereo, state, recipe, engine, config.fit):
        if cut is not None and step.step == 8:
            save_checkpoint(cut, state, recipe)
            break
    else:
        return {name: value.detach() for name, value in state.gaussians.named_parameters()}
    recipe = make_recipe(config, truth.views, truth.stereo)
    state = load_checkpoint(cut, config.fit.rates, recipe, torch.device("cpu"))
    list(recipe.loop(truth.views, truth.stereo, state, recipe, engine, config.fit))
    return {name: value.detach() for name, value in state.gaussians.named_parameters()}


def test_a_fit_that_was_stopped_while_it_averaged_ends_in_the_same_mean(small_truth: Truth, tmp_path: Path):
    whole = fitted(small_truth, QUICK)
    cut = fitted(small_truth, QUICK, tmp_path / "state.safetensors")
    last = fitted(small_truth, replace(QUICK, parameter_mean=ParameterMeanConfig(0.0)))
    first = initialise(small_truth.views, small_truth.stereo, QUICK.initialise)
    assert len(whole["means"]) == len(last["means"]) < len(first)
    for name, value in whole.items():
        assert torch.equal(value, cut[name]), name
        assert not torch.equal(value, last[name]), name


@pytest.mark.parametrize(
    ("config", "averages"),
    [
        (QUICK, True),
        (replace(QUICK, densify="grow"), False),
        (replace(QUICK, densify="budget"), False),  # grows until .6
        (replace(QUICK, densify="budget", budget=BudgetConfig(stop=0.5)), True),
    ],
)
def test_nothing_is_averaged_while_gaussians_grow(small_truth: Truth, config: MethodConfig, averages: bool):
    assert (
        "parameter_mean" in make_recipe(config, small_truth.views, small_truth.stereo).regularisers
    ) == averages
