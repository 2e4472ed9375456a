"""Sums and correlations over windows against naive loops."""

import pytest
import torch
from torch import Tensor

from recon.methods.priors.correlation import box_mean, normalised_correlation, window_statistics, window_sum


@pytest.mark.parametrize("window", [1, 2, 3, 5, 7, 11, 12])
@pytest.mark.parametrize("dim", [0, 1])
def test_window_sums_are_those_of_a_loop(window: int, dim: int):
    x = torch.rand(13, 14, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    length = x.shape[dim] - window + 1
    expected = torch.stack([x.narrow(dim, i, window).sum(dim) for i in range(length)], dim)
    before = x.clone()
    torch.testing.assert_close(window_sum(x, window, dim), expected)
    assert torch.equal(x, before)


def windows(x: Tensor, window: int) -> Tensor:
    """The window around each pixel, the border repeated: (h, w, window^2)."""
    height, width = x.shape
    radius = window // 2
    out = x.new_zeros(height, width, window, window)
    for row in range(height):
        for column in range(width):
            for i in range(window):
                for j in range(window):
                    r = min(max(row + i - radius, 0), height - 1)
                    c = min(max(column + j - radius, 0), width - 1)
                    out[row, column, i, j] = x[r, c]
    return out.flatten(2)


@pytest.mark.parametrize("window", [3, 5])
def test_box_means_and_correlations_are_those_of_a_loop(window: int):
    generator = torch.Generator().manual_seed(1)
    a = torch.rand(6, 7, generator=generator, dtype=torch.float64)
    b = torch.rand(2, 6, 7, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(box_mean(a[None], window)[0], windows(a, window).mean(-1))

    correlation = normalised_correlation(window_statistics(a[None], window), b)
    for i in range(2):
        x, y = windows(a, window), windows(b[i], window)
        x, y = x - x.mean(-1, keepdim=True), y - y.mean(-1, keepdim=True)
        expected = (x * y).mean(-1) / (x.square().mean(-1) * y.square().mean(-1)).sqrt()
        torch.testing.assert_close(correlation[i], expected)


def test_correlation_is_blind_to_brightness_and_contrast():
    a, b = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    torch.testing.assert_close(
        normalised_correlation(window_statistics(a, 5), 0.5 * b + 0.3),
        normalised_correlation(window_statistics(a, 5), b),
        rtol=1e-3,
        atol=1e-3,
    )
    assert normalised_correlation(window_statistics(a, 5), 2 * a + 1).min().item() == pytest.approx(1)
    assert normalised_correlation(window_statistics(a, 5), 1 - a).max().item() == pytest.approx(-1)


def test_a_flat_picture_correlates_with_nothing():
    a = torch.rand(1, 12, 12, generator=torch.Generator().manual_seed(2))
    flat = torch.full((1, 12, 12), 0.7)
    assert normalised_correlation(window_statistics(a, 5), flat).abs().max().item() < 0.02
    assert normalised_correlation(window_statistics(flat, 5), flat).abs().max().item() < 0.2
