"""Scores beside those of other libraries and of naive loops: whole pictures, objects on white, boxes."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from recon.metrics import (
    LPIPS_LEAST,
    STRIP,
    MetricsConfig,
    Scores,
    bounding_box,
    compare,
    mean_scores,
    mean_ssim,
    psnr,
    quantise,
    uniform_ssim,
)
from recon.rendering.ssim import ssim

SPARE = MetricsConfig(ssim_window="skimage7", masks="crop_bbox")
REGNERF = MetricsConfig(ssim_window="skimage7", masks="white_composite")
SIZES = [(40, 52), (75, 61), (33, 96), (STRIP + 6, 40), (2 * STRIP + 7, 20)]
"""The last two: SSIM's map fills one strip, and begins a third with one row."""


def picture(seed: int, size: tuple[int, int]) -> torch.Tensor:
    """Smooth colours (h, w, 3) with noise, of 8 bits."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 5, 6, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=size, mode="bicubic")[0].permute(1, 2, 0)
    return quantise(smooth + 0.05 * torch.randn(*size, 3, generator=generator))


def pair(seed: int, size: tuple[int, int] = (40, 52)) -> tuple[torch.Tensor, torch.Tensor]:
    photo = picture(seed, size)
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(seed + 100))
    return quantise(photo + 0.1 * noise), photo


def disc(size: tuple[int, int] = (40, 52), radius: float = 15.0) -> torch.Tensor:
    y, x = torch.meshgrid(*(torch.arange(s) - s / 2 + 0.5 for s in size), indexing="ij")
    return y**2 + x**2 < radius**2


def naive_ssim(a: np.ndarray, b: np.ndarray, window: int = 7) -> float:
    """Wang et al. 2004, window by window: sample statistics, uniform weights."""
    values = []
    for top in range(a.shape[0] - window + 1):
        for left in range(a.shape[1] - window + 1):
            for channel in range(3):
                x = a[top : top + window, left : left + window, channel].ravel()
                y = b[top : top + window, left : left + window, channel].ravel()
                covariance = np.cov(x, y)
                luminance = (2 * x.mean() * y.mean() + 1e-4) / (x.mean() ** 2 + y.mean() ** 2 + 1e-4)
                contrast = (2 * covariance[0, 1] + 9e-4) / (covariance[0, 0] + covariance[1, 1] + 9e-4)
                values.append(luminance * contrast)
    return float(np.mean(values))


@pytest.mark.parametrize("size", SIZES)
def test_psnr_and_the_uniform_ssim_are_scikit_images(size):
    rgb, photo = pair(1, size)
    a, b = rgb.double().numpy(), photo.double().numpy()
    assert psnr(rgb, photo) == pytest.approx(peak_signal_noise_ratio(b, a, data_range=1.0), abs=1e-6)
    expected = structural_similarity(a, b, channel_axis=2, data_range=1.0)
    assert mean_ssim(rgb, photo, "skimage7") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_the_gaussian_ssim_is_scikit_images_away_from_the_border(size):
    """There 3DGS has zeros, scikit-image a mirror."""
    rgb, photo = pair(2, size)
    _, expected = structural_similarity(
        *(rgb.double().numpy(), photo.double().numpy()),
        **{"channel_axis": 2, "data_range": 1.0, "full": True},
        **{"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
    )
    inside = slice(5, -5), slice(5, -5)
    exact = ssim(rgb.double(), photo.double())[inside]
    assert np.abs(exact.numpy() - expected.mean(2)[inside]).max() < 1e-6
    assert float(ssim(rgb, photo)[inside].double().mean()) == pytest.approx(
        expected.mean(2)[inside].mean(), abs=1e-6
    )


def test_scores_on_white_are_those_of_a_naive_loop():
    rgb, photo = pair(3)
    mask = disc()
    scores = compare(rgb, photo, mask, REGNERF)
    a, b = rgb.double().numpy().copy(), photo.double().numpy().copy()
    squares = []
    for y in range(40):
        for x in range(52):
            if mask[y, x]:
                squares += [(a[y, x, c] - b[y, x, c]) ** 2 for c in range(3)]
            else:
                a[y, x] = b[y, x] = 1.0
    assert scores.psnr_masked == pytest.approx(-10 * math.log10(np.mean(squares)), abs=1e-6)
    assert scores.ssim_masked == pytest.approx(naive_ssim(a, b), abs=1e-6)


def test_scores_in_the_box_are_those_of_a_naive_loop():
    rgb, photo = pair(4)
    mask = disc(radius=11)
    mask[3, 7] = True  # alone, and it counts: the box is tight around everything
    scores = compare(rgb, photo, mask, SPARE)
    rows = [y for y in range(40) for x in range(52) if mask[y, x]]
    columns = [x for y in range(40) for x in range(52) if mask[y, x]]
    box = slice(min(rows), max(rows) + 1), slice(min(columns), max(columns) + 1)
    a, b = rgb.double().numpy()[box], photo.double().numpy()[box]
    assert bounding_box(mask) == box
    assert scores.ssim_masked == pytest.approx(naive_ssim(a, b), abs=1e-6)
    assert scores.psnr_masked == compare(rgb, photo, mask, REGNERF).psnr_masked


def test_a_box_may_cut_the_map_of_ssim_instead_of_the_pictures():
    rgb, photo = pair(5)
    mask = disc(radius=9)
    after = compare(rgb, photo, mask, MetricsConfig("skimage7", masks="crop_bbox", ssim_crop="after"))
    full = structural_similarity(
        *(rgb.double().numpy(), photo.double().numpy()), channel_axis=2, data_range=1.0, full=True
    )[1]
    assert after.ssim_masked == pytest.approx(full.mean(2)[bounding_box(mask)].mean(), abs=1e-6)
    assert after.ssim_masked != compare(rgb, photo, mask, SPARE).ssim_masked


def test_the_gaussian_window_sees_zeros_beyond_a_box_that_cuts_the_pictures_and_neighbours_otherwise():
    rgb, photo = pair(13)
    mask = disc(radius=9)
    box = bounding_box(mask)
    before, after = (
        compare(rgb, photo, mask, MetricsConfig("gauss11", masks="crop_bbox", ssim_crop=crop)).ssim_masked
        for crop in ("before", "after")
    )
    assert before == pytest.approx(float(ssim(rgb[box], photo[box]).double().mean()), abs=1e-9)
    assert after == pytest.approx(float(ssim(rgb, photo)[box].double().mean()), abs=1e-9)
    assert before != after


@pytest.mark.parametrize("config", [SPARE, REGNERF])
def test_what_lies_outside_of_the_mask_does_not_move_its_psnr(config):
    rgb, photo = pair(6)
    mask = disc()
    spoilt = torch.where(mask[..., None], rgb, 1 - rgb)
    assert compare(spoilt, photo, mask, config).psnr_masked == compare(rgb, photo, mask, config).psnr_masked
    assert compare(spoilt, photo, mask, config).psnr != compare(rgb, photo, mask, config).psnr


def test_the_background_counts_in_the_box_and_not_on_white():
    rgb, photo = pair(7)
    mask = disc()
    spoilt = torch.where(mask[..., None], rgb, 1 - rgb)
    on_white = [compare(x, photo, mask, REGNERF).ssim_masked for x in (rgb, spoilt)]
    in_box = [compare(x, photo, mask, SPARE).ssim_masked for x in (rgb, spoilt)]
    assert on_white[0] == on_white[1]
    assert in_box[0] != in_box[1]


def test_lpips_sees_what_ssim_sees():
    rgb, photo = pair(8)
    mask = disc(radius=17)
    seen = []

    def distance(a: torch.Tensor, b: torch.Tensor) -> float:
        seen.append((a, b))
        return 0.5

    compare(rgb, photo, mask, SPARE, distance)
    compare(rgb, photo, mask, REGNERF, distance)
    whole, boxed, _, on_white = [a for a, _ in seen]
    assert torch.equal(whole, rgb)
    assert torch.equal(boxed, rgb[bounding_box(mask)])
    assert torch.equal(on_white[mask], rgb[mask]) and (on_white[~mask] == 1).all()


@pytest.mark.parametrize("config", [SPARE, REGNERF])
def test_an_empty_mask_leaves_the_scores_of_the_whole_picture_and_a_warning(config, caplog):
    rgb, photo = pair(9)
    scores = compare(rgb, photo, torch.zeros(40, 52, dtype=torch.bool), config)
    assert (scores.psnr_masked, scores.ssim_masked, scores.lpips_masked) == (None, None, None)
    assert scores.psnr == psnr(rgb, photo)
    assert "mask is empty" in caplog.text


@pytest.mark.parametrize(("side", "kept"), [(6, (False, False)), (7, (True, False)), (32, (True, True))])
def test_boxes_too_small_for_a_window_have_no_score(side, kept, caplog):
    rgb, photo = pair(10)
    mask = torch.zeros(40, 52, dtype=torch.bool)
    mask[4 : 4 + side, 5 : 5 + side] = True
    scores = compare(rgb, photo, mask, SPARE, lambda a, b: 0.5)
    assert (scores.ssim_masked is not None, scores.lpips_masked is not None) == kept
    assert scores.psnr_masked is not None
    assert ("too few" in caplog.text) == (side < LPIPS_LEAST)


def test_without_a_mask_or_a_policy_there_are_no_masked_scores():
    rgb, photo = pair(11)
    assert compare(rgb, photo, None, SPARE).psnr_masked is None
    assert compare(rgb, photo, disc()).psnr_masked is None


def test_a_masked_score_that_one_view_lacks_is_not_averaged_over_the_others():
    mean = mean_scores([Scores(20.0, 0.5, None, 18.0, 0.4), Scores(30.0, 0.7, None, 16.0, None)])
    assert (mean.psnr_masked, mean.ssim_masked) == (17.0, None)


def test_the_uniform_map_lacks_three_pixels_on_each_side():
    rgb, photo = pair(12)
    assert uniform_ssim(rgb, photo).shape == (34, 46)
