"""Only the order and the neighbourhood of the prior count, never its values."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import TypeCheckError
from moments import make_moment
from synthetic import Truth
from torch import Tensor

from recon.methods.depth_ranking import (
    DepthRanking,
    DepthRankingConfig,
    continuity_loss,
    random_pairs,
    ranking_loss,
)

USE_ALL = torch.tensor([True, True, True])


def pairs(dtype: torch.dtype = torch.float64, count: int = 50) -> tuple[Tensor, Tensor, Tensor]:
    """Drawn disparities, prior disparities and which to use."""
    generator = torch.Generator().manual_seed(8)
    pair, prior = 0.2 + torch.rand(2, 2, count, generator=generator, dtype=dtype)
    return pair, prior, torch.rand(count, generator=generator) > 0.3


def test_ranking_by_hand():
    # The prior has the first pixel nearer in all pairs; the picture has it farther by 0.3 in the second one.
    prior = torch.tensor([[0.9, 0.9, 0.9], [0.5, 0.5, 0.5]])
    pair = torch.tensor([[0.8, 0.4, 0.6], [0.6, 0.7, 0.2]])
    assert ranking_loss(pair, prior, USE_ALL, 0.1).item() == pytest.approx(0.3 / 3)


def test_ranking_does_not_care_which_pixel_comes_first():
    pair, prior, use = pairs()
    swapped = ranking_loss(pair.flip(0), prior.flip(0), use, 0.05)
    assert swapped.item() == pytest.approx(ranking_loss(pair, prior, use, 0.05).item())


def test_ranking_is_blind_to_any_increasing_change_of_the_prior():
    pair, prior, use = pairs()
    assert ranking_loss(pair, prior**3, use, 0.0).item() == ranking_loss(pair, prior, use, 0.0).item()
    # The gap is a share, so that the unit does not matter either.
    assert ranking_loss(pair, 8 * prior, use, 0.2).item() == ranking_loss(pair, prior, use, 0.2).item()


def test_ranking_of_the_right_order_costs_nothing_and_of_the_wrong_one_does():
    _, prior, use = pairs()
    assert ranking_loss(prior.sqrt(), prior, use, 0.05).item() == 0
    assert ranking_loss(-prior, prior, use, 0.05).item() > 0.1


def test_pairs_that_the_prior_does_not_order_clearly_are_not_ranked():
    prior = torch.tensor([[1.0, 1.0, 1.0], [0.99, 0.98, 0.5]])
    pair = torch.tensor([[0.0, 0.0, 0.0], [9.0, 9.0, 1.0]])
    assert ranking_loss(pair, prior, USE_ALL, 0.03).item() == pytest.approx(1.0)


def test_continuity_by_hand():
    prior = torch.tensor([[1.0, 1.0, 1.0], [0.999, 1.001, 0.5]])
    pair = torch.tensor([[0.5, 0.5, 0.0], [0.7, 0.4, 9.0]])
    assert continuity_loss(pair, prior, USE_ALL, 0.005).item() == pytest.approx((0.2 + 0.1) / 2)


@pytest.mark.parametrize(("loss", "gap"), [(ranking_loss, 0.05), (continuity_loss, 0.3)])
def test_unused_pairs_do_not_count(loss, gap: float):
    pair, prior, use = pairs()
    altered = torch.where(use, pair, pair + 5 * torch.rand_like(pair))
    assert loss(altered, prior, use, gap).item() == loss(pair, prior, use, gap).item()
    assert loss(altered, prior, torch.ones_like(use), gap).item() != pytest.approx(
        loss(pair, prior, torch.ones_like(use), gap).item()
    )


@pytest.mark.parametrize(("loss", "gap"), [(ranking_loss, 0.05), (continuity_loss, 0.3)])
def test_pair_gradients_are_those_of_finite_differences(loss, gap: float):
    pair, prior, use = pairs()
    assert torch.autograd.gradcheck(lambda x: loss(x, prior, use, gap), (pair.requires_grad_(),))


@pytest.mark.parametrize("loss", [ranking_loss, continuity_loss])
def test_no_pair_and_a_constant_prior_give_finite_values(loss):
    pair, prior, use = pairs()
    pair.requires_grad_()
    nothing = loss(pair, prior, torch.zeros_like(use), 0.05)
    constant = loss(pair, torch.ones_like(prior), use, 0.05)
    (nothing + constant).backward()
    assert nothing.item() == 0
    assert constant.isfinite()
    assert pair.grad is not None and pair.grad.isfinite().all()


@pytest.mark.parametrize("loss", [ranking_loss, continuity_loss])
def test_pairs_of_other_shapes_are_refused(loss):
    with pytest.raises(TypeCheckError):
        loss(torch.ones(2, 5), torch.ones(2, 4), torch.ones(5, dtype=torch.bool), 0.1)


def test_random_pairs_lie_inside_within_reach_and_everywhere():
    height, width, reach = 11, 17, 3
    a, b = random_pairs((height, width), 5000, reach, torch.Generator().manual_seed(0))
    for flat in (a, b):
        assert set(flat.tolist()) == set(range(height * width))
    for step in (b // width - a // width, b % width - a % width):
        assert (step.min().item(), step.max().item()) == (-reach, reach)


def test_random_pairs_depend_on_the_generator_alone():
    first = random_pairs((5, 5), 20, 2, torch.Generator().manual_seed(4))
    torch.manual_seed(99)
    again = random_pairs((5, 5), 20, 2, torch.Generator().manual_seed(4))
    assert all(torch.equal(x, y) for x, y in zip(first, again, strict=True))


def test_trusted_pixels_are_left_to_the_stereo_loss(small_truth: Truth):
    moment = make_moment(small_truth, depth_factor=-1)
    everything = tuple(torch.ones_like(c) for c in small_truth.co_visible)
    nothing = tuple(torch.zeros_like(c) for c in small_truth.co_visible)
    term = DepthRanking(DepthRankingConfig(ranking_weight=0.1, continuity_weight=0.02, every=1))
    trusted = replace(moment, stereo=replace(moment.stereo, consistent=everything))
    untrusted = replace(moment, stereo=replace(moment.stereo, consistent=nothing))
    assert term.loss(trusted).item() == 0
    assert term.loss(untrusted).item() > 0


def test_the_true_depth_violates_no_order(small_truth: Truth):
    nothing = tuple(torch.zeros_like(c) for c in small_truth.co_visible)
    config = DepthRankingConfig(ranking_weight=0.1, every=1)
    right = make_moment(small_truth)
    right = replace(right, stereo=replace(right.stereo, consistent=nothing))
    mirrored = make_moment(small_truth, depth_factor=-1)
    mirrored = replace(mirrored, stereo=replace(mirrored.stereo, consistent=nothing))
    assert DepthRanking(config).loss(right).item() == pytest.approx(0, abs=1e-6)
    assert DepthRanking(config).loss(mirrored).item() > 1e-3


def test_all_pairs_are_ranked_where_asked_for(small_truth: Truth):
    everything = tuple(torch.ones_like(c) for c in small_truth.co_visible)
    moment = make_moment(small_truth, depth_factor=-1)
    trusted = replace(moment, stereo=replace(moment.stereo, consistent=everything))
    assert (
        DepthRanking(DepthRankingConfig(ranking_weight=0.1, every=1, pixels="all")).loss(trusted).item() > 0
    )
