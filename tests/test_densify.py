"""Pruning and growing keep parameters and optimiser moments of one Gaussian together."""

import pytest
import torch
from gsplat.strategy import DefaultStrategy
from numbered_gaussians import COUNT, check_aligned, drawn, make_gaussians, moments, with_moments

from recon.densify import GrowAndPrune, Optimisers, Prune, PruneConfig
from recon.gaussians import Gaussians


def test_faded_gaussians_go_and_the_moments_go_with_them():
    gaussians = make_gaussians()
    optimisers = with_moments(gaussians)
    faded = torch.zeros(COUNT, dtype=torch.bool)
    faded[[1, 5, 11]] = True
    with torch.no_grad():
        gaussians.logit_opacities[faded] = -9.0
    before = {name: p.detach().clone() for name, p in gaussians.named_parameters()}
    moments_before = moments(gaussians, optimisers, "exp_avg")

    Prune(PruneConfig(every=10)).after_step(9, 0, gaussians, optimisers, drawn(gaussians))

    assert len(gaussians) == COUNT - 3
    check_aligned(gaussians, optimisers)
    for name, parameter in gaussians.named_parameters():
        assert torch.equal(parameter, before[name][~faded]), name
        assert torch.equal(optimisers[name].state[parameter]["exp_avg"], moments_before[name][~faded]), name


@pytest.mark.parametrize(("every", "pruned"), [(10, [10, 20]), (7, [7, 14]), (0, [])])
def test_pruning_comes_at_its_steps_alone(every: int, pruned: list[int]):
    strategy = Prune(PruneConfig(every=every))
    steps = []
    for step in range(20):
        gaussians = make_gaussians()
        optimisers = with_moments(gaussians)
        with torch.no_grad():
            gaussians.logit_opacities[3] = -9.0
        strategy.after_step(step, 0, gaussians, optimisers, drawn(gaussians))
        if len(gaussians) < COUNT:
            steps.append(step + 1)
    assert steps == pruned


def test_the_limit_is_an_opacity():
    gaussians = make_gaussians()
    optimisers = with_moments(gaussians)
    with torch.no_grad():
        gaussians.logit_opacities.copy_(torch.logit(torch.linspace(0.01, 0.12, COUNT)))
    Prune(PruneConfig(every=1, min_opacity=0.055)).after_step(0, 0, gaussians, optimisers, drawn(gaussians))
    assert len(gaussians) == 7
    assert gaussians.opacities.min().item() == pytest.approx(0.06)


def grow(
    config: DefaultStrategy, gradient: float, seed: int = 0, step: int = 4
) -> tuple[Gaussians, Optimisers]:
    """Gaussians after one growing step."""
    gaussians = make_gaussians()
    with torch.no_grad():
        gaussians.log_scales.fill_(-6.0)
        gaussians.log_scales[:4] = 0.0  # large: these split, the others are doubled
        gaussians.logit_opacities.fill_(1.0)
    optimisers = with_moments(gaussians)
    strategy = GrowAndPrune(config, scene_scale=1.0)
    strategy.after_step(step, seed, gaussians, optimisers, drawn(gaussians, gradient))
    return gaussians, optimisers


EAGER = DefaultStrategy(refine_start_iter=1, refine_every=4, reset_every=1000, prune_scale3d=100.0)


def test_gaussians_with_a_high_gradient_multiply():
    gaussians, optimisers = grow(EAGER, gradient=1.0)
    assert len(gaussians) == 2 * COUNT
    check_aligned(gaussians, optimisers)
    # Doubled ones stay where they were; split ones are smaller.
    assert (gaussians.log_scales < -0.1).all()


def test_gaussians_with_a_low_gradient_stay():
    gaussians, optimisers = grow(EAGER, gradient=1e-7)
    assert len(gaussians) == COUNT
    check_aligned(gaussians, optimisers)


def test_nothing_grows_between_the_steps_of_growing():
    assert len(grow(EAGER, gradient=1.0, step=5)[0]) == COUNT


def test_new_gaussians_start_with_zero_moments():
    gaussians, optimisers = grow(EAGER, gradient=1.0)
    for name, moment in moments(gaussians, optimisers, "exp_avg").items():
        numbers = moment.flatten(1)[:, 0] if moment.ndim > 1 else moment
        # A tenth of the gradient is kept by Adam's beta of 0.9; the number i + 1 tells the Gaussian.
        old = (numbers != 0).sum().item()
        assert 0 < old <= COUNT, name
        known = {round(0.1 * (i + 1), 4) for i in range(COUNT)} | {0.0}
        assert {round(n, 4) for n in numbers.tolist()} <= known, name


def test_splitting_depends_on_seed_and_step_and_leaves_the_global_generator_alone():
    torch.manual_seed(123)
    before = torch.get_rng_state()
    first, _ = grow(EAGER, gradient=1.0, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(77)
    again, _ = grow(EAGER, gradient=1.0, seed=3)
    other, _ = grow(EAGER, gradient=1.0, seed=4)
    assert torch.equal(first.means, again.means)
    assert not torch.equal(first.means, other.means)


def test_gradients_gather_over_the_steps_until_it_is_time():
    gaussians = make_gaussians()
    with torch.no_grad():
        gaussians.log_scales.fill_(-6.0)
        gaussians.logit_opacities.fill_(1.0)
    optimisers = with_moments(gaussians)
    strategy = GrowAndPrune(EAGER, scene_scale=1.0)
    for step in range(2, 5):
        rendering = drawn(gaussians, gradient=1.0 if step == 3 else 0.0)
        strategy.after_step(step, 0, gaussians, optimisers, rendering)
        if step < 4:
            assert strategy.state["count"].tolist() == [step - 1] * COUNT
    assert len(gaussians) == 2 * COUNT


def test_a_step_without_gradient_on_the_picture_counts_as_zero():
    gaussians = make_gaussians()
    optimisers = with_moments(gaussians)
    strategy = GrowAndPrune(EAGER, scene_scale=1.0)
    rendering = drawn(gaussians)
    rendering.means2d.grad = None
    strategy.after_step(4, 0, gaussians, optimisers, rendering)
    assert len(gaussians) == COUNT


def test_a_restored_state_is_kept():
    state = {"grad2d": torch.ones(3), "count": torch.ones(3), "scene_scale": 2.0}
    assert GrowAndPrune(EAGER, 1.0, state).state is state
    assert GrowAndPrune(EAGER, 1.0).state["scene_scale"] == 1.0
