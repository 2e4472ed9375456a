"""Dropout removes Gaussians without darkening the picture on average."""

import pytest
import torch

from recon.methods.dropout import Dropout, DropoutConfig

OPACITIES = torch.rand(20_000, generator=torch.Generator().manual_seed(12345))


def dropped(max_rate: float, progress: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return Dropout(DropoutConfig(max_rate)).opacities(OPACITIES, progress, generator)


def test_nothing_is_dropped_at_the_start():
    assert torch.equal(dropped(0.2, 0.0), OPACITIES)


@pytest.mark.parametrize(("max_rate", "progress"), [(0.2, 1.0), (0.2, 0.5), (0.6, 0.5)])
def test_the_rate_grows_with_progress(max_rate: float, progress: float):
    share = (dropped(max_rate, progress) == 0).float().mean().item()
    rate = max_rate * progress
    # Four standard deviations of a binomial share.
    assert share == pytest.approx(rate, abs=4 * (rate * (1 - rate) / len(OPACITIES)) ** 0.5)


def test_survivors_make_up_for_the_dropped():
    after = dropped(0.2, 0.5)
    survived = after > 0
    torch.testing.assert_close(after[survived], OPACITIES[survived] / 0.9)
    assert after.mean().item() == pytest.approx(OPACITIES.mean().item(), rel=0.01)


def test_the_expectation_of_each_gaussian_is_kept():
    draws = torch.stack([dropped(0.5, 1.0, seed)[:200] for seed in range(600)])
    # Each draw is 0 or twice the opacity: the mean has a deviation of opacity / sqrt(600).
    error = (draws.mean(0) - OPACITIES[:200]) / (OPACITIES[:200] / 600**0.5)
    assert error.abs().max().item() < 4.5


def test_the_draw_depends_on_the_generator_alone():
    first = dropped(0.2, 0.7, seed=3)
    torch.manual_seed(5)
    assert torch.equal(dropped(0.2, 0.7, seed=3), first)
    assert not torch.equal(dropped(0.2, 0.7, seed=4), first)


def test_gradients_reach_the_survivors_alone():
    opacities = OPACITIES[:100].clone().requires_grad_()
    after = Dropout(DropoutConfig(0.5)).opacities(opacities, 1.0, torch.Generator().manual_seed(0))
    after.sum().backward()
    assert opacities.grad is not None
    torch.testing.assert_close(opacities.grad, torch.where(after > 0, 2.0, 0.0))
