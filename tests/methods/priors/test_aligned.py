"""Depth of single photos in the world of the cameras: scale, shift, outliers, what is left alone."""

import pytest
import torch
from synthetic import Truth

from recon.methods.priors.aligned import SingleDepth, align, fit_line, merged
from recon.methods.priors.stereo_types import StereoPrior


def said(truth: Truth, index: int, kind: str, scale: float, shift: float) -> SingleDepth:
    """What a network would say that errs by a scale and a shift alone."""
    depth = truth.depths[index]
    y = 1 / depth if kind == "disparity" else depth
    return SingleDepth((y - shift) / scale, torch.ones_like(depth, dtype=torch.bool))


@pytest.mark.parametrize("kind", ["depth", "disparity"])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.013, 0.08), (370.0, -0.05)])
def test_a_scale_and_a_shift_are_undone_within_a_percent(truth, kind, scale, shift):
    for index, depth in enumerate(truth.depths):
        found = align(said(truth, index, kind, scale, shift), kind, truth.stereo, index)
        assert found is not None and found.known.all()
        assert torch.allclose(found.depth, depth, rtol=0.01)
        assert found.line.scale == pytest.approx(scale, rel=0.01)
        assert found.line.shift == pytest.approx(shift, abs=0.01)


@pytest.mark.parametrize("kind", ["depth", "disparity"])
def test_a_third_of_the_pixels_may_be_wrong(truth, kind):
    single = said(truth, 0, kind, 2.5, 0.1)
    generator = torch.Generator().manual_seed(1)
    wrong = torch.rand(single.values.shape, generator=generator) < 0.35
    noise = single.values.min() + torch.rand(wrong.shape, generator=generator) * single.values.max()
    found = align(SingleDepth(torch.where(wrong, noise, single.values), single.known), kind, truth.stereo, 0)
    assert found is not None
    assert torch.allclose(found.depth[~wrong], truth.depths[0][~wrong], rtol=0.01)
    assert 0.5 < found.line.share < 0.9


def test_stereo_s_own_noise_is_averaged(truth):
    generator = torch.Generator().manual_seed(2)
    noisy = tuple(d * (1 + 0.02 * torch.randn(d.shape, generator=generator)) for d in truth.depths)
    prior = StereoPrior(noisy, noisy, truth.co_visible, truth.stereo.depth_range)
    found = align(said(truth, 1, "depth", 3.0, 0.5), "depth", prior, 1)
    assert found is not None and torch.allclose(found.depth, truth.depths[1], rtol=0.01)


def test_what_shows_something_else_is_refused(truth):
    depth = truth.depths[0]
    generator = torch.Generator().manual_seed(3)
    everywhere = torch.ones_like(depth, dtype=torch.bool)
    chance = SingleDepth(1 + 9 * torch.rand(depth.shape, generator=generator), everywhere)
    assert align(chance, "depth", truth.stereo, 0) is None
    upside_down = SingleDepth(10 - depth, everywhere)
    assert align(upside_down, "depth", truth.stereo, 0) is None
    nowhere = SingleDepth(depth, torch.zeros_like(everywhere))
    assert align(nowhere, "depth", truth.stereo, 0) is None


def test_a_wall_of_one_depth_tells_a_scale_and_no_shift():
    x = torch.full((500,), 2.0, dtype=torch.float64)
    y = 3 * x * (1 + 0.001 * torch.randn(500, generator=torch.Generator().manual_seed(4)).double())
    line = fit_line(x, y)
    assert line is not None and line.shift == 0.0 and line.scale == pytest.approx(3, rel=1e-3)


def test_what_the_photos_confirm_stays_and_only_what_is_believed_counts_as_confirmed(truth):
    depth = truth.depths[0]
    trusted = torch.zeros_like(depth, dtype=torch.bool)
    trusted[:, : depth.shape[1] // 2] = True
    guess = torch.where(trusted, depth, 9.0)
    prior = StereoPrior((guess,), (guess,), (trusted,), (2.4, 4.0))
    single = SingleDepth(depth * 2, torch.ones_like(trusted))
    single.values[0, 0] = 50.0
    aligned = align(single, "depth", prior, 0)
    for believed in (True, False):
        filled = merged(prior, [aligned], believed)
        assert torch.allclose(filled.depths[0], depth, rtol=0.01)
        assert bool(filled.consistent[0].all()) == believed
        near, far = filled.depth_range
        assert near == 2.4 and far == (pytest.approx(float(depth.max()), rel=0.01) if believed else 4.0)
    assert merged(prior, [None], True).depths == prior.depths
