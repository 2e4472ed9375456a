"""Each loss: a known value, the mask, the gradient, degenerate input."""

from collections.abc import Callable

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor

from recon.losses import (
    disparity_loss,
    dssim_loss,
    l1_loss,
    masked_mean,
    photometric_loss,
    weighted_photometric_loss,
)


def photometric(rgb: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    return photometric_loss(rgb, target, mask, 0.2)


ColourLoss = Callable[..., Tensor]
COLOUR_LOSSES = [l1_loss, dssim_loss, photometric]


def pictures(dtype: torch.dtype = torch.float32, height: int = 14, width: int = 17) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    a, b = torch.rand(2, height, width, 3, generator=generator, dtype=dtype)
    return a, b


def depths(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Two depth maps between 1 and 3."""
    a, b = 1 + 2 * torch.rand(2, 6, 7, generator=torch.Generator().manual_seed(6), dtype=dtype)
    return a, b


def test_masked_mean_by_hand():
    x = torch.tensor([[1.0, 2.0], [3.0, 10.0]])
    assert masked_mean(x, None).item() == 4.0
    assert masked_mean(x, torch.tensor([[True, False], [True, False]])).item() == 2.0
    assert masked_mean(x, torch.zeros(2, 2, dtype=torch.bool)).item() == 0.0


def test_what_the_mask_hides_may_even_be_nan():
    x = torch.tensor([[1.0, float("nan")]], requires_grad=True)
    loss = masked_mean(x, torch.tensor([[True, False]]))
    loss.backward()
    assert loss.item() == 1.0
    assert x.grad is not None and x.grad.tolist() == [[1.0, 0.0]]


def test_l1_by_hand():
    rgb, target = torch.zeros(1, 2, 3), torch.zeros(1, 2, 3)
    rgb[0, 0] = torch.tensor([0.3, 0.0, 0.6])
    assert l1_loss(rgb, target).item() == pytest.approx(0.15)
    assert l1_loss(rgb, target, torch.tensor([[True, False]])).item() == pytest.approx(0.3)


def test_dssim_of_flat_pictures_by_hand():
    # Without variance only the luminance term is left; far from the border the window is full.
    a, b = torch.full((30, 30, 3), 0.4), torch.full((30, 30, 3), 0.6)
    middle = torch.zeros(30, 30, dtype=torch.bool)
    middle[12:18, 12:18] = True
    expected = 1 - (2 * 0.4 * 0.6 + 0.01**2) / (0.4**2 + 0.6**2 + 0.01**2)
    assert dssim_loss(a, b, middle).item() == pytest.approx(expected, rel=2e-3)


def test_dssim_of_a_negative_is_above_one():
    rgb, _ = pictures(height=30, width=30)
    assert dssim_loss(rgb, rgb).item() == pytest.approx(0, abs=1e-5)
    assert 1 < dssim_loss(rgb, 1 - rgb).item() <= 2


def test_photometric_mixes_both():
    a, b = pictures()
    mask = a[..., 0] > 0.5
    expected = 0.7 * l1_loss(a, b, mask) + 0.3 * dssim_loss(a, b, mask)
    assert photometric_loss(a, b, mask, 0.3).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("loss", COLOUR_LOSSES)
def test_equal_pictures_cost_nothing(loss: ColourLoss):
    rgb, _ = pictures()
    assert loss(rgb, rgb.clone()).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("loss", COLOUR_LOSSES)
def test_masked_pixels_do_not_count(loss: ColourLoss):
    rgb, target = pictures(height=30, width=30)
    mask = torch.zeros(30, 30, dtype=torch.bool)
    mask[:, :10] = True
    altered = target.clone()
    altered[:, 16:] = 0.5  # more than SSIM's half window away from what counts
    assert loss(rgb, altered, mask).item() == loss(rgb, target, mask).item()
    assert loss(rgb, altered).item() != loss(rgb, target).item()


@pytest.mark.parametrize("loss", COLOUR_LOSSES)
def test_a_mask_of_ones_is_no_mask(loss: ColourLoss):
    rgb, target = pictures()
    everything = torch.ones(14, 17, dtype=torch.bool)
    assert loss(rgb, target, everything).item() == pytest.approx(loss(rgb, target).item())


@pytest.mark.parametrize("loss", COLOUR_LOSSES)
def test_an_empty_mask_costs_nothing_and_pulls_nowhere(loss: ColourLoss):
    rgb, target = pictures()
    rgb.requires_grad_()
    value = loss(rgb, target, torch.zeros(14, 17, dtype=torch.bool))
    value.backward()
    assert value.item() == 0
    assert rgb.grad is not None and (rgb.grad == 0).all()


@pytest.mark.parametrize("loss", COLOUR_LOSSES)
def test_colour_gradients_are_those_of_finite_differences(loss: ColourLoss):
    rgb, target = pictures(torch.float64, height=4, width=5)
    mask = target[..., 0] > 0.3
    assert torch.autograd.gradcheck(lambda x: loss(x, target, mask), (rgb.requires_grad_(),))


@pytest.mark.parametrize("loss", COLOUR_LOSSES)
def test_pictures_of_other_sizes_are_refused(loss: ColourLoss):
    with pytest.raises(TypeCheckError):
        loss(torch.zeros(14, 17, 3), torch.zeros(14, 16, 3))


def test_weights_of_one_are_the_data_term_and_it_is_proportional_to_them():
    rgb, target = pictures()
    ones = torch.ones(14, 17)
    whole = photometric_loss(rgb, target, None, 0.3).item()
    assert weighted_photometric_loss(rgb, target, ones, 0.3).item() == pytest.approx(whole)
    assert weighted_photometric_loss(rgb, target, 0.25 * ones, 0.3).item() == pytest.approx(0.25 * whole)


def test_the_weighted_data_term_is_a_mean_over_all_pixels():
    rgb, target = pictures()
    left = (torch.arange(17) < 5).float().expand(14, 17)
    part = photometric_loss(rgb, target, left > 0, 0.3).item()
    assert weighted_photometric_loss(rgb, target, left, 0.3).item() == pytest.approx(part * 5 / 17)


def test_disparity_by_hand():
    # |1/2 - 1/4| of near 1.6 is 0.4; the mean is over all four pixels.
    depth, prior = torch.full((2, 2), 2.0), torch.full((2, 2), 4.0)
    mask = torch.tensor([[True, False], [True, False]])
    assert disparity_loss(depth, prior, mask, 1.6).item() == pytest.approx(0.2)


def test_disparity_does_not_depend_on_the_unit_of_length():
    depth, prior = depths()
    mask = torch.ones(6, 7, dtype=torch.bool)
    scaled = disparity_loss(9 * depth, 9 * prior, mask, 9.0)
    assert scaled.item() == pytest.approx(disparity_loss(depth, prior, mask, 1.0).item(), rel=1e-5)


def test_disparity_ignores_what_is_masked():
    depth, prior = depths()
    mask = depth > 2
    altered = torch.where(mask, depth, torch.full_like(depth, 77.0))
    assert disparity_loss(altered, prior, mask, 1.0).item() == disparity_loss(depth, prior, mask, 1.0).item()
    assert disparity_loss(depth, prior, torch.zeros_like(mask), 1.0).item() == 0


def test_disparity_stays_finite_where_nothing_was_drawn():
    depth = torch.tensor([[0.0, 1e-9, 2.0]], requires_grad=True)
    loss = disparity_loss(depth, torch.full((1, 3), 2.0), torch.ones(1, 3, dtype=torch.bool), 1.0)
    loss.backward()
    # Held at 0.3 near: |1 / 0.3 - 1 / 2| twice, of three.
    assert loss.item() == pytest.approx(2 / 3 * (1 / 0.3 - 0.5))
    assert depth.grad is not None and depth.grad.isfinite().all()


def test_disparity_gradient_is_that_of_finite_differences():
    depth, prior = depths(torch.float64)
    mask = prior > 1.5
    assert torch.autograd.gradcheck(lambda x: disparity_loss(x, prior, mask, 1.2), (depth.requires_grad_(),))


def test_disparity_maps_of_other_sizes_are_refused():
    mask = torch.ones(3, 3, dtype=torch.bool)
    with pytest.raises(TypeCheckError):
        disparity_loss(torch.ones(3, 3), torch.ones(3, 4), mask, 1.0)
