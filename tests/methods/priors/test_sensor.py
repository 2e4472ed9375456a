"""A sensor's depth in the stereo prior."""

import logging
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from commands import QUICK, call_recon, save_pixels, save_posed_scene
from synthetic import Truth, make_truth

from recon.initialise import InitialiseConfig, initialise
from recon.methods.priors.sensor import with_sensor_depth
from recon.methods.priors.stereo_types import StereoPrior
from recon.scene import Views


def with_maps(truth: Truth, *maps: torch.Tensor | None) -> Views:
    return replace(truth.views, depths=maps)


def half_known(truth: Truth) -> StereoPrior:
    """Stereo that knows the left half of each photo, and guesses the rest far too deep."""
    trusted = []
    for depth in truth.depths:
        left = torch.zeros_like(depth, dtype=torch.bool)
        left[:, : depth.shape[1] // 2] = True
        trusted.append(left)
    depths = tuple(torch.where(t, d, 3 * d) for t, d in zip(trusted, truth.depths, strict=True))
    return replace(truth.stereo, depths=depths, consistent=tuple(trusted))


def test_photos_without_maps_change_nothing(truth):
    prior = truth.stereo
    assert with_sensor_depth(prior, truth.views) is prior
    assert with_sensor_depth(prior, with_maps(truth, None, None, None)) is prior


def test_metres_fill_what_stereo_does_not_know_and_the_scale_is_stated(truth, caplog):
    metres = [depth / 2.5 for depth in truth.depths]
    metres[0][:5] = 0  # the sensor saw nothing there
    with caplog.at_level(logging.INFO):
        prior = with_sensor_depth(half_known(truth), with_maps(truth, *metres))
    for index, depth in enumerate(truth.depths):
        told = prior.consistent[index]
        assert torch.allclose(prior.depths[index][told], depth[told], rtol=0.01)
    unknown = prior.consistent[0][:5, truth.depths[0].shape[1] // 2 :]
    assert not unknown.any() and prior.consistent[0][5:].all()
    assert caplog.text.count("2.5 world units a metre") == 3


def test_a_photo_of_which_stereo_knows_nothing_is_aligned_as_the_others(truth):
    prior = half_known(truth)
    blind = replace(prior, consistent=(torch.zeros_like(prior.consistent[0]), *prior.consistent[1:]))
    filled = with_sensor_depth(blind, with_maps(truth, *(depth / 2.5 for depth in truth.depths)))
    assert filled.consistent[0].all()
    assert torch.allclose(filled.depths[0], truth.depths[0], rtol=0.01)


def test_a_map_that_shows_another_place_is_left_out_with_a_warning(truth, caplog):
    generator = torch.Generator().manual_seed(0)
    chance = 1 + 9 * torch.rand(truth.depths[0].shape, generator=generator)
    prior = half_known(truth)
    filled = with_sensor_depth(prior, with_maps(truth, chance, None, None))
    assert torch.equal(filled.depths[0], prior.depths[0])
    assert "0.png does not fit" in caplog.text


def test_the_first_gaussians_stand_where_the_sensor_says(truth):
    config = InitialiseConfig(border=0.0)
    metres = [depth / 2.5 for depth in truth.depths]
    before = initialise(truth.views, half_known(truth), config)
    after = initialise(truth.views, with_sensor_depth(half_known(truth), with_maps(truth, *metres)), config)
    assert len(after) > 1.3 * len(before)
    deepest = [float(gaussians.means[:, 2].detach().max()) for gaussians in (after, before)]
    assert deepest[0] < 6 < deepest[1]


def test_a_run_takes_the_maps_beside_its_photos_says_so_and_goes_on_with_the_same(tmp_path, caplog):
    photos = save_posed_scene(tmp_path / "photos")
    truth = make_truth(((48, 36),) * 3, detail=0.5)
    for name, depth in zip(truth.views.names, truth.depths, strict=True):
        save_pixels(photos / "depth" / name, (depth.numpy() * 400).round().astype(np.uint16))
    quick = ("train", photos, *QUICK, "--output", tmp_path / "run")
    assert call_recon(*quick).code == 0
    scales = [float(x) for x in re.findall(r"Sensor depth of \d.png: ([\d.]+) world units", caplog.text)]
    assert scales == [pytest.approx(2.5, rel=0.02)] * 3
    caplog.clear()
    save_pixels(photos / "depth" / "0.png", np.full((36, 48), 9, np.uint16))
    assert "photos have changed" in call_recon(*quick, "--resume").sentence
    assert call_recon(*quick, "--overwrite", "--sensor-depth", "none").code == 0
    assert "Sensor depth" not in caplog.text
