"""Opacities are disturbed without being darkened on average, within their range."""

import pytest
import torch
from torch import Tensor

from recon.methods.opacity_noise import OpacityNoise, OpacityNoiseConfig

FAINT = torch.full((20_000,), 0.1)


def disturbed(opacities: Tensor, deviation: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return OpacityNoise(OpacityNoiseConfig(deviation)).opacities(opacities, 0.5, generator)


def test_the_factor_has_the_asked_mean_and_deviation():
    factor = disturbed(FAINT, 0.2) / 0.1  # five deviations from 0 and from opaque
    assert factor.mean().item() == pytest.approx(1, abs=4 * 0.2 / len(FAINT) ** 0.5)
    assert factor.std().item() == pytest.approx(0.2, rel=0.03)


def test_opacities_stay_in_their_range():
    after = disturbed(torch.linspace(0, 1, 5000), 0.8)
    assert after.min() == 0 and after.max() == 1


def test_no_noise_changes_nothing():
    assert torch.equal(disturbed(FAINT, 0.0), FAINT)


def test_the_noise_depends_on_the_generator_alone():
    first = disturbed(FAINT, 0.8, seed=3)
    torch.manual_seed(5)
    assert torch.equal(disturbed(FAINT, 0.8, seed=3), first)
    assert not torch.equal(disturbed(FAINT, 0.8, seed=4), first)


def test_the_gradient_is_that_of_the_disturbed_opacity():
    opacities = FAINT[:100].clone().requires_grad_()
    after = disturbed(opacities, 0.1)
    after.sum().backward()
    assert opacities.grad is not None
    torch.testing.assert_close(opacities.grad, (after / opacities).detach())
