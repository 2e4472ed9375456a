"""SSIM against a loop over pixels, and the core against torch."""

from math import exp

import pytest
import torch
from torch import Tensor

from recon.rendering.ssim import ssim, ssim_torch

SIZES = [(1, 1), (3, 40), (11, 11), (37, 29), (12, 70)]


def pair_of_images(height: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height)
    a = torch.rand(height, width, 3, generator=generator, dtype=torch.float64)
    b = (a + 0.2 * torch.randn(height, width, 3, generator=generator, dtype=torch.float64)).clamp(0, 1)
    return a, b


def naive_ssim(a: Tensor, b: Tensor, row: int, column: int) -> float:
    """The definition at one pixel, sum by sum."""
    weights = [[exp(-(i * i + j * j) / (2 * 1.5**2)) for j in range(-5, 6)] for i in range(-5, 6)]
    total = sum(map(sum, weights))
    result = 0.0
    for channel in range(3):
        mean_a = mean_b = mean_aa = mean_bb = mean_ab = 0.0
        for i in range(-5, 6):
            for j in range(-5, 6):
                if not (0 <= row + i < a.shape[0] and 0 <= column + j < a.shape[1]):
                    continue  # zeros outside
                weight = weights[i + 5][j + 5] / total
                x, y = a[row + i, column + j, channel].item(), b[row + i, column + j, channel].item()
                mean_a, mean_b = mean_a + weight * x, mean_b + weight * y
                mean_aa, mean_bb = mean_aa + weight * x * x, mean_bb + weight * y * y
                mean_ab += weight * x * y
        luminance = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
        variances = mean_aa - mean_a**2 + mean_bb - mean_b**2
        result += luminance * (2 * (mean_ab - mean_a * mean_b) + 9e-4) / (variances + 9e-4) / 3
    return result


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agrees_with_the_definition(dtype: torch.dtype):
    a, b = pair_of_images(13, 17)
    found = ssim(a.to(dtype), b.to(dtype))
    for row, column in [(0, 0), (6, 8), (12, 16), (3, 16)]:
        assert found[row, column].item() == pytest.approx(naive_ssim(a, b, row, column), abs=2e-6)


@pytest.mark.parametrize("size", SIZES)
def test_core_agrees_with_torch_in_values_and_gradient(size: tuple[int, int]):
    a, b = pair_of_images(*size)
    weight = torch.randn(size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected_a, found_a = a.clone().requires_grad_(), a.float().requires_grad_()
    expected = ssim_torch(expected_a, b)
    (weight * expected).sum().backward()
    found = ssim(found_a, b.float())
    (weight.float() * found).sum().backward()
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)
    assert found_a.grad is not None and expected_a.grad is not None
    torch.testing.assert_close(found_a.grad.double(), expected_a.grad, atol=1e-4, rtol=1e-4)


def test_gradients_of_both_images_agree_with_finite_differences():
    a, b = pair_of_images(4, 5)
    assert torch.autograd.gradcheck(ssim, (a.requires_grad_(), b.requires_grad_()), fast_mode=True)


def test_both_images_may_want_a_gradient_in_single_precision():
    a, b = (image.float().requires_grad_() for image in pair_of_images(4, 5))
    ssim(a, b).mean().backward()
    assert a.grad is not None and b.grad is not None and b.grad.abs().max() > 0


def test_equal_images_score_one_everywhere():
    a, _ = pair_of_images(20, 20)
    torch.testing.assert_close(ssim(a.float(), a.float()), torch.ones(20, 20))


def test_one_and_two_threads_give_the_same_bits():
    a, b = (image.float() for image in pair_of_images(60, 33))
    threads = torch.get_num_threads()
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        leaf = a.clone().requires_grad_()
        value = ssim(leaf, b)
        value.mean().backward()
        results.append((value.detach(), leaf.grad))
    torch.set_num_threads(threads)
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


def test_images_of_different_sizes_are_refused():
    with pytest.raises(Exception, match="Type-check"):
        ssim(torch.zeros(4, 5, 3), torch.zeros(5, 5, 3))
