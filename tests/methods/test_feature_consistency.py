"""The right depth leads to the same features in another photo; what does not lead back is left alone."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import TypeCheckError
from moments import make_moment
from synthetic import Truth, make_truth
from torch import Tensor

from recon.methods.feature_consistency import (
    FeatureConsistency,
    FeatureConsistencyConfig,
    best_matches_loss,
    census,
    feature_difference,
)
from recon.methods.regulariser import Moment

CONFIG = FeatureConsistencyConfig(weight=1.0, every=1, pixels=4000)


@pytest.fixture(scope="module")
def textured() -> Truth:
    """Photos with enough in them for features."""
    return make_truth(detail=0.6)


def make_term(truth: Truth, **values: float) -> FeatureConsistency:
    return FeatureConsistency.of_views(replace(CONFIG, **values), truth.views)


def value(term: FeatureConsistency, moment: Moment) -> float:
    loss = term.loss(moment)
    assert loss is not None
    return loss.item()


def picture() -> Tensor:
    return torch.rand(20, 24, 3, generator=torch.Generator().manual_seed(6))


def test_census_by_hand():
    image = torch.zeros(20, 24, 3)
    image[10, 12] = 1.0
    features = census(image)
    assert features[10, 12].tolist() == pytest.approx([-0.25] * 16, abs=1e-3)
    # The bright pixel is the first of the 8 neighbours, two down and two to the right of this one: the last.
    expected = [0.0] * 16
    expected[7] = 1.0
    assert features[8, 10].tolist() == pytest.approx(expected, abs=1e-3)
    assert (features[0, 0] == 0).all()


def test_census_is_blind_to_brightness_and_nearly_so_to_contrast():
    image = picture()
    features = census(image)
    torch.testing.assert_close(census(image + 0.3), features, atol=1e-5, rtol=0)
    torch.testing.assert_close(census(0.5 * image), features, atol=0.02, rtol=0)
    assert features.norm(dim=-1).max() <= 1


def test_difference_of_equal_and_of_opposite_features():
    a = census(picture()).flatten(0, 1)
    assert feature_difference(a, a).max().item() < 0.05
    assert feature_difference(a, -a).min().item() > 1.95


def test_only_the_best_matches_of_a_pixel_count_by_hand():
    difference = torch.tensor([[0.1, 0.5, 0.9], [0.3, 0.2, 0.8]])
    use = torch.tensor([[True, True, False], [True, False, False]])
    assert best_matches_loss(difference, use, 1).item() == pytest.approx((0.1 + 0.5) / 3)
    assert best_matches_loss(difference, use, 2).item() == pytest.approx((0.1 + 0.3 + 0.5) / 6)
    assert best_matches_loss(difference, use, 5).item() == pytest.approx((0.1 + 0.3 + 0.5) / 6)


def test_photos_out_of_use_may_even_give_nan_and_no_photo_costs_nothing():
    difference = torch.tensor([[0.4, torch.nan]], requires_grad=True)
    use = torch.tensor([[True, False]])
    loss = best_matches_loss(difference, use, 1) + best_matches_loss(difference, torch.zeros_like(use), 1)
    loss.backward()
    assert loss.item() == pytest.approx(0.2)
    assert difference.grad is not None and difference.grad.tolist() == [[0.5, 0.0]]


def test_gradients_are_those_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 7, 5, generator=generator, dtype=torch.float64)
    others = (b, torch.rand(7, 5, generator=generator, dtype=torch.float64))
    use = torch.rand(2, 7, generator=generator) > 0.3

    def loss(x: Tensor) -> Tensor:
        return best_matches_loss(torch.stack([feature_difference(x, y) for y in others]), use, 1)

    assert torch.autograd.gradcheck(loss, (a.requires_grad_(),))


def test_features_of_other_lengths_are_refused():
    with pytest.raises(TypeCheckError):
        feature_difference(torch.ones(4, 16), torch.ones(4, 8))


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_true_depth_leads_to_the_same_features_and_others_do_not(textured: Truth, index: int):
    term = make_term(textured, cycle=1000.0)
    right = value(term, make_moment(textured, index))
    wrong = [value(term, make_moment(textured, index, depth_factor=f)) for f in (0.8, 1.25)]
    assert right < 0.5 * min(wrong)


def test_what_does_not_lead_back_is_left_alone(textured: Truth):
    strict, lax = make_term(textured, cycle=1.0), make_term(textured, cycle=1000.0)
    far_off = make_moment(textured, depth_factor=1.25)
    assert value(lax, far_off) > 0.1
    assert value(strict, far_off) < 0.1 * value(lax, far_off)
    # Of the true depth it leaves out what the board hides from the other photos.
    assert 0 < value(strict, make_moment(textured)) < value(lax, make_moment(textured))


def test_masked_pixels_do_not_count(textured: Truth):
    term = make_term(textured)
    moment = make_moment(textured, depth_factor=1.02)
    hidden = (torch.zeros_like(textured.co_visible[0]), None, None)
    assert value(term, moment) > 0
    assert value(term, replace(moment, views=replace(moment.views, masks=hidden))) == 0


def test_gradients_reach_the_depth_and_stay_finite(textured: Truth):
    moment = make_moment(textured, depth_factor=1.01)
    depth = moment.rendering.depth.clone()
    depth[0, :5] = 0
    depth.requires_grad_()
    loss = make_term(textured).loss(replace(moment, rendering=replace(moment.rendering, depth=depth)))
    assert loss is not None
    loss.backward()
    assert depth.grad is not None and depth.grad.isfinite().all() and (depth.grad != 0).any()


def test_a_step_down_the_gradient_nears_the_true_depth(textured: Truth):
    term, moment = make_term(textured), make_moment(textured, depth_factor=1.02)
    depth = moment.rendering.depth.clone().requires_grad_()
    loss = term.loss(replace(moment, rendering=replace(moment.rendering, depth=depth)))
    assert loss is not None
    loss.backward()
    assert depth.grad is not None
    # The depth is too large everywhere: most of the gradient says so.
    assert depth.grad.clamp_min(0).sum() > 2 * depth.grad.clamp_max(0).abs().sum()


def test_a_photo_without_a_neighbour_has_no_term(small_truth: Truth):
    lonely = small_truth.select(0, 0)
    assert make_term(lonely).loss(make_moment(lonely)) is None


def test_a_seldom_term_weighs_more_and_begins_late(textured: Truth):
    once = value(make_term(textured), make_moment(textured))
    seldom = make_term(textured, every=2)
    assert value(seldom, make_moment(textured, step=4)) == pytest.approx(2 * once)
    assert seldom.loss(make_moment(textured, step=5)) is None
    assert seldom.loss(make_moment(textured, progress=0.1, step=4)) is None
