"""Likeness of patches counts, never their depth; what looks alike in the photo counts most."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import TypeCheckError
from moments import make_moment
from synthetic import Truth
from torch import Tensor

from recon.methods.relative_depth import (
    RelativeDepth,
    RelativeDepthConfig,
    likeness,
    likeness_loss,
    patch_pixels,
)

TERM = RelativeDepth(RelativeDepthConfig(weight=1.0, every=1, patch=3, reach=8))


def patches() -> tuple[Tensor, Tensor, Tensor]:
    """Drawn disparities, prior disparities, weights."""
    generator = torch.Generator().manual_seed(3)
    pair, prior = 0.3 + torch.rand(2, 2, 12, 4, generator=generator, dtype=torch.float64)
    return pair, prior, torch.rand(12, generator=generator, dtype=torch.float64)


def test_likeness_by_hand():
    pair = torch.tensor([[[1.0, 1.0], [0.9, 1.1]], [[1.0, 1.0], [1.1, 0.9]]])
    expected = [1.0, torch.exp(torch.tensor(-0.2 / 0.1)).item()]
    assert likeness(pair, 0.1).tolist() == pytest.approx(expected)


def test_a_patch_holds_the_pixels_around_its_centre_and_stays_inside():
    # The middle of a 5x7 picture, and its first and last pixel.
    pixels = patch_pixels(torch.tensor([[17, 0], [17, 34]]), (5, 7), 3)
    assert pixels[0, 0].tolist() == [9, 10, 11, 16, 17, 18, 23, 24, 25]
    assert pixels[0, 1].tolist() == [0, 1, 2, 7, 8, 9, 14, 15, 16]
    assert pixels[1, 1].tolist() == [18, 19, 20, 25, 26, 27, 32, 33, 34]


def test_is_blind_to_the_scale_of_either():
    pair, prior, weight = patches()
    loss = likeness_loss(pair, prior, weight, 0.2).item()
    assert loss > 0.01
    assert likeness_loss(5 * pair, 0.3 * prior, weight, 0.2).item() == pytest.approx(loss)
    assert likeness_loss(2 * prior, prior, weight, 0.2).item() == pytest.approx(0, abs=1e-9)


def test_pairs_without_weight_do_not_count():
    pair, prior, weight = patches()
    weight[::2] = 0
    altered = pair.clone()
    altered[:, ::2] += 5 * torch.rand_like(altered[:, ::2])
    assert likeness_loss(altered, prior, weight, 0.2).item() == likeness_loss(pair, prior, weight, 0.2).item()
    assert likeness_loss(pair, prior, torch.zeros_like(weight), 0.2).item() == 0


def test_gradients_are_those_of_finite_differences():
    pair, prior, weight = patches()
    assert torch.autograd.gradcheck(lambda x: likeness_loss(x, prior, weight, 0.2), (pair.requires_grad_(),))


def test_flat_and_vanishing_disparities_stay_finite():
    pair, prior, weight = patches()
    for x in (torch.ones_like(pair), torch.zeros_like(pair)):
        x.requires_grad_()
        loss = likeness_loss(x, torch.ones_like(prior), weight, 0.2)
        loss.backward()
        assert loss.item() == pytest.approx(0)
        assert x.grad is not None and x.grad.isfinite().all()


def test_patches_of_other_shapes_are_refused():
    with pytest.raises(TypeCheckError):
        likeness_loss(torch.ones(2, 5, 9), torch.ones(2, 5, 8), torch.ones(5), 0.1)


def test_the_true_depth_at_any_scale_costs_nothing_and_a_flat_one_does(truth: Truth):
    for factor in (1.0, 1.2):
        loss = TERM.loss(make_moment(truth, depth_factor=factor))
        assert loss is not None and loss.item() == pytest.approx(0, abs=1e-5)
    moment = make_moment(truth)
    flat = replace(moment.rendering, depth=torch.full_like(moment.rendering.depth, 3.0))
    loss = TERM.loss(replace(moment, rendering=flat))
    assert loss is not None and loss.item() > 0.05


def test_pairs_of_unlike_colour_weigh_less(truth: Truth):
    # Left and right of the middle the depths are told apart wrongly; so are the colours, or they are not.
    def loss(right_colour: float) -> float:
        moment = make_moment(truth)
        depth = torch.full_like(moment.rendering.depth, 3.0)
        depth[:, depth.shape[1] // 2 :] = 4.0
        image = torch.zeros_like(truth.views.images[0])
        image[:, image.shape[1] // 2 :] = right_colour
        views = replace(truth.views, images=(image, *truth.views.images[1:]))
        flat = replace(moment.stereo, depths=(torch.full_like(depth, 3.0), *truth.depths[1:]))
        rendering = replace(moment.rendering, depth=depth)
        term = TERM.loss(replace(moment, views=views, stereo=flat, rendering=rendering))
        assert term is not None
        return term.item()

    assert loss(0.5) < 0.1 * loss(0.0)


@pytest.mark.parametrize(("every", "expected"), [(1, [1, 1, 1, 1]), (2, [0, 2, 0, 2])])
def test_a_seldom_term_weighs_more(small_truth: Truth, every: int, expected: list[float]):
    once = TERM.loss(make_moment(small_truth, depth_factor=-1))
    term = replace(TERM, config=replace(TERM.config, every=every))
    losses = [term.loss(make_moment(small_truth, depth_factor=-1, step=step)) for step in range(4)]
    assert once is not None and once.item() > 0
    assert [0.0 if x is None else (x / once).item() for x in losses] == pytest.approx(expected)
