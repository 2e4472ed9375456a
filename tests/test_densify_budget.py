"""Growing within a budget: how many, which, when, and only where most steps looked."""

from dataclasses import replace

import pytest
import torch
from numbered_gaussians import COUNT, check_aligned, drawn, make_gaussians, moments, with_moments
from torch import Tensor

from recon.densify import Optimisers, PruneConfig
from recon.densify_budget import Budget, BudgetConfig, growth_error, worst
from recon.gaussians import Gaussians

EAGER = BudgetConfig(
    max_gaussians=100, every=4, start=0.0, stop=1.0, fill=1.0, min_error=0.0, split_above=0.5
)
NO_PRUNING = PruneConfig(every=0)


def make_budget(config: BudgetConfig, max_steps: int = 100, prune: PruneConfig = NO_PRUNING) -> Budget:
    return Budget(config, prune, scene_scale=1.0, max_steps=max_steps)


def small_gaussians() -> tuple[Gaussians, Optimisers]:
    """Small and opaque; the error of the colour of number i is proportional to i + 1."""
    gaussians = make_gaussians()
    with torch.no_grad():
        gaussians.log_scales.fill_(-6.0)
        gaussians.logit_opacities.fill_(1.0)
    return gaussians, with_moments(gaussians)


def take(
    budget: Budget, gaussians: Gaussians, optimisers: Optimisers, steps: range, seen: Tensor | None = None
) -> list[int]:
    """The number of Gaussians after each of `steps`, in which those of `seen` were drawn."""
    counts = []
    for step in steps:
        rendering = drawn(gaussians, gradient=1.0)
        if seen is not None:
            rendering.radii[: len(seen)][~seen] = 0
        budget.after_step(step, 0, gaussians, optimisers, rendering)
        counts.append(len(gaussians))
    return counts


def test_growing_stops_at_the_budget():
    gaussians, optimisers = small_gaussians()
    counts = take(make_budget(replace(EAGER, max_gaussians=17)), gaussians, optimisers, range(12))
    assert counts == [COUNT] * 3 + [17] * 9
    check_aligned(gaussians, optimisers)


def test_a_scene_beyond_its_budget_neither_grows_nor_shrinks():
    gaussians, optimisers = small_gaussians()
    assert take(make_budget(replace(EAGER, max_gaussians=5)), gaussians, optimisers, range(8))[-1] == COUNT


def test_each_growth_takes_a_share_of_what_is_left():
    gaussians, optimisers = small_gaussians()
    budget = make_budget(replace(EAGER, max_gaussians=COUNT + 8, fill=0.5))
    assert take(budget, gaussians, optimisers, range(16))[3::4] == [COUNT + n for n in (4, 6, 7, 8)]


def test_the_worst_colours_grow_first():
    gaussians, optimisers = small_gaussians()
    before = gaussians.means.detach().clone()
    take(make_budget(replace(EAGER, max_gaussians=COUNT + 3)), gaussians, optimisers, range(4))
    assert torch.equal(gaussians.means[:COUNT], before)
    torch.testing.assert_close(gaussians.means[COUNT:].sort(dim=0).values, before[-3:])


def test_the_worst_places_grow_first():
    gaussians, optimisers = small_gaussians()
    for state in optimisers["sh0"].state.values():
        state["exp_avg_sq"].fill_(1.0)
    before = gaussians.means.detach().clone()
    budget = make_budget(replace(EAGER, max_gaussians=COUNT + 1))
    for step in range(4):
        rendering = drawn(gaussians)
        rendering.means2d.grad = torch.zeros(COUNT, 2)
        rendering.means2d.grad[7] = 0.1
        budget.after_step(step, 0, gaussians, optimisers, rendering)
    assert torch.equal(gaussians.means[COUNT:], before[7:8])


def test_gaussians_below_the_least_error_stay():
    gaussians, optimisers = small_gaussians()
    # Position errors are alike (1), colours 2 (i + 1) / 13: their mean exceeds 1.3 for the last two.
    take(make_budget(replace(EAGER, min_error=1.3)), gaussians, optimisers, range(4))
    assert len(gaussians) == COUNT + 2


def test_what_few_steps_saw_does_not_grow():
    gaussians, optimisers = small_gaussians()
    budget = make_budget(replace(EAGER, min_visited=0.5))
    seen = torch.arange(COUNT) < 5
    take(budget, gaussians, optimisers, range(3), seen)  # the others: in the last of four steps alone
    assert take(budget, gaussians, optimisers, range(3, 4)) == [COUNT + 5]


@pytest.mark.parametrize(
    ("start", "stop", "grown"), [(0.0, 1.0, [4, 8, 12]), (0.5, 0.7, [8]), (0.8, 1.0, [12])]
)
def test_growing_comes_within_its_part_of_the_fit(start: float, stop: float, grown: list[int]):
    gaussians, optimisers = small_gaussians()
    config = replace(EAGER, start=start, stop=stop, max_gaussians=1000, fill=0.01)
    counts = [COUNT, *take(make_budget(config, max_steps=12), gaussians, optimisers, range(12))]
    assert [step for step in range(1, 13) if counts[step] > counts[step - 1]] == grown


def test_large_gaussians_are_split_and_small_ones_doubled_in_place():
    gaussians, optimisers = small_gaussians()
    with torch.no_grad():
        gaussians.log_scales[:4] = 0.0
    before = gaussians.means.detach().clone()
    take(make_budget(EAGER), gaussians, optimisers, range(4))
    assert len(gaussians) == 2 * COUNT
    check_aligned(gaussians, optimisers)
    assert int((gaussians.log_scales[:, 0] > -5).sum()) == 8
    assert (gaussians.log_scales < -0.1).all()  # halves are smaller
    kept = (gaussians.means[:, None] == before[None]).all(-1).sum(0)
    assert kept.tolist() == [0] * 4 + [2] * (COUNT - 4)


def test_new_gaussians_start_with_zero_moments_and_inherit_what_is_kept_of_their_parents():
    gaussians, optimisers = small_gaussians()
    budget = make_budget(EAGER)
    budget.state["trait"] = torch.arange(float(COUNT))
    take(budget, gaussians, optimisers, range(4))
    assert budget.state["trait"].tolist() == [*range(COUNT), *range(COUNT)]
    for name, moment in moments(gaussians, optimisers, "exp_avg").items():
        assert (moment[COUNT:] == 0).all() and (moment[:COUNT] != 0).all(), name


def test_splitting_depends_on_seed_and_step_and_leaves_the_global_generator_alone():
    def grown(seed: int) -> Tensor:
        gaussians, optimisers = small_gaussians()
        with torch.no_grad():
            gaussians.log_scales.fill_(0.0)
        budget = make_budget(replace(EAGER, every=1))
        budget.after_step(4, seed, gaussians, optimisers, drawn(gaussians, 1.0))
        return gaussians.means.detach()

    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = grown(3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(first, grown(3))
    assert not torch.equal(first, grown(4))


def test_faded_gaussians_go_and_the_statistics_go_with_them():
    gaussians, optimisers = small_gaussians()
    with torch.no_grad():
        gaussians.logit_opacities[2] = -9.0
    budget = make_budget(replace(EAGER, every=100), prune=PruneConfig(every=3))
    budget.state["trait"] = torch.arange(float(COUNT))
    take(budget, gaussians, optimisers, range(3))
    assert len(gaussians) == COUNT - 1
    assert budget.state["trait"].tolist() == [n for n in range(COUNT) if n != 2]
    assert budget.state["visits"].tolist() == [3] * (COUNT - 1)


def test_a_step_without_gradient_on_the_picture_counts_as_a_visit_without_error():
    gaussians, optimisers = small_gaussians()
    budget = make_budget(EAGER)
    rendering = drawn(gaussians)
    rendering.means2d.grad = None
    budget.after_step(0, 0, gaussians, optimisers, rendering)
    assert budget.state["position_error"].tolist() == [0] * COUNT
    assert budget.state["visits"].tolist() == [1] * COUNT


def test_the_error_is_blind_to_units_and_has_mean_one_over_the_visited():
    position, appearance = torch.tensor([1.0, 2.0, 6.0, 50.0]), torch.tensor([4.0, 1.0, 1.0, 70.0])
    visited = torch.tensor([True, True, True, False])
    error = growth_error(position, appearance, visited)
    torch.testing.assert_close(error, torch.tensor([7 / 6, 7 / 12, 5 / 4, 0.0]))
    torch.testing.assert_close(error, growth_error(1e-4 * position, 1e3 * appearance, visited))


@pytest.mark.parametrize("visited", [True, False])
def test_without_any_error_nothing_is_wrong_anywhere(visited: bool):
    none = torch.zeros(4)
    error = growth_error(none, none, torch.full((4,), visited))
    assert error.tolist() == [0.0] * 4


def test_the_worst_are_chosen_up_to_a_count():
    error = torch.tensor([3.0, 1.0, 4.0, 2.0])
    assert worst(error, 0.0, 2).tolist() == [True, False, True, False]
    assert worst(error, 2.0, 9).tolist() == [True, False, True, True]
    assert worst(error, 0.0, 0).tolist() == [False] * 4
    assert worst(torch.tensor([0.0, 1.0]), 0.0, 2).tolist() == [False, True]
