"""Only the shape of a depth counts; at pseudo views it is that of the warped stereo."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import TypeCheckError
from moments import make_moment
from synthetic import Truth
from torch import Tensor

from recon.methods.depth_correlation import DepthCorrelation, DepthCorrelationConfig, correlation_loss
from recon.methods.pseudo_views import nearest_partners
from recon.methods.regulariser import Moment
from recon.rendering import Rendering

ALL = torch.ones(6, 7, dtype=torch.bool)


def maps(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    a, b = torch.rand(2, 6, 7, generator=torch.Generator().manual_seed(4), dtype=dtype)
    return a, b


def make_term(truth: Truth, **values: float) -> DepthCorrelation:
    return DepthCorrelation(DepthCorrelationConfig(**values), nearest_partners(truth.views.cameras))


def test_correlation_is_that_of_numpy():
    a, b = maps()
    expected = 1 - torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()
    assert correlation_loss(a, b, ALL, eps=0.0).item() == pytest.approx(expected)


def test_is_blind_to_scale_and_shift_but_not_to_sign():
    a, _ = maps()
    assert correlation_loss(3 * a + 2, a, ALL).item() == pytest.approx(0, abs=1e-4)
    assert correlation_loss(-a, a, ALL).item() == pytest.approx(2, abs=1e-4)


def test_what_the_mask_leaves_out_may_even_be_infinite():
    a, b = maps()
    mask = a > 0.3
    altered = torch.where(mask, b, torch.full_like(b, torch.inf))
    assert correlation_loss(a, altered, mask).item() == correlation_loss(a, b, mask).item()
    assert correlation_loss(a, b, mask).item() != pytest.approx(correlation_loss(a, b, ALL).item())


def test_gradients_are_those_of_finite_differences():
    a, b = maps()
    assert torch.autograd.gradcheck(lambda x: correlation_loss(x, b, b > 0.2), (a.requires_grad_(),))


def test_a_constant_prior_and_an_empty_mask_give_one_without_a_gradient():
    a, _ = maps()
    a.requires_grad_()
    flat = correlation_loss(a, torch.ones_like(a), ALL)
    empty = correlation_loss(a, a.detach(), ~ALL)
    (flat + empty).backward()
    assert flat.item() == empty.item() == 1
    assert a.grad is not None and (a.grad == 0).all()


def test_a_constant_picture_has_a_bounded_gradient():
    _, b = maps()
    a = torch.full_like(b, 0.5).requires_grad_()
    correlation_loss(a, b, ALL).backward()
    assert a.grad is not None and a.grad.isfinite().all() and a.grad.abs().max() < 100


def test_maps_of_other_shapes_are_refused():
    with pytest.raises(TypeCheckError):
        correlation_loss(torch.ones(4, 5), torch.ones(5, 4), torch.ones(4, 5, dtype=torch.bool))


def test_at_train_views_the_true_shape_costs_nothing_whatever_its_scale(small_truth: Truth):
    term = make_term(small_truth, weight=0.5)
    for factor in (1.0, 1.3):
        loss = term.loss(make_moment(small_truth, 1, depth_factor=factor))
        assert loss is not None and loss.item() == pytest.approx(0, abs=1e-3)
    mirrored = term.loss(make_moment(small_truth, 1, depth_factor=-1))
    assert mirrored is not None and mirrored.item() > 0.5


def test_at_pseudo_views_the_true_scene_costs_little_and_a_mirrored_one_much(truth: Truth):
    term = make_term(truth, pseudo_weight=1.0)

    def loss(moment: Moment) -> float:
        terms = [term.loss(moment) for _ in range(5)]
        return max(t.item() for t in terms if t is not None)

    moment = make_moment(truth, detail=1.0)

    def inside_out(pose: Tensor) -> Rendering:
        rendering = moment.render_from(pose)
        return replace(rendering, depth=8 - rendering.depth)

    assert loss(moment) < 0.05
    assert loss(replace(moment, render_from=inside_out)) > 1.5


@pytest.mark.parametrize(("progress", "drawn"), [(0.1, False), (0.2, True), (0.94, True), (0.95, False)])
def test_pseudo_views_have_their_time(small_truth: Truth, progress: float, drawn: bool):
    term = make_term(small_truth, pseudo_weight=1.0)
    assert (term.loss(make_moment(small_truth, progress=progress)) is not None) == drawn


def test_a_seldom_pseudo_view_weighs_more(small_truth: Truth):
    once = make_term(small_truth, pseudo_weight=1.0).loss(make_moment(small_truth))
    seldom = make_term(small_truth, pseudo_weight=1.0, pseudo_every=3)
    losses = [seldom.loss(make_moment(small_truth, step=step)) for step in (3, 4, 5)]
    assert once is not None and losses[0] is not None and losses[1:] == [None, None]
    assert losses[0].item() == pytest.approx(3 * once.item())
