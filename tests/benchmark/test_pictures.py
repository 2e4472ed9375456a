"""Pictures beside a result: of the same views whatever the method, small, and errors that can be read."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic import Truth

from recon.benchmark.pictures import ERROR_COLOURS, MAX_ERROR, draw_pictures, error_picture, jpeg, reduced
from recon.initialise import InitialiseConfig, initialise
from recon.rendering.cpu import rasterize_cpu

GREY = torch.full((8, 10, 3), 0.5)


@pytest.mark.parametrize(("error", "colour"), [(0.0, 0), (0.5, 2), (0.75, 3), (1.0, 4), (3.0, 4)])
def test_errors_are_drawn_on_one_scale_for_all(error, colour):
    drawn = error_picture(GREY - error * MAX_ERROR, GREY)
    assert torch.allclose(drawn, torch.tensor(ERROR_COLOURS[colour]).expand(8, 10, 3), atol=1e-5)


def test_errors_of_the_channels_are_averaged_and_neither_picture_is_ahead():
    other = GREY.clone()
    other[2, 3, 0] += 0.3
    assert torch.equal(error_picture(other, GREY), error_picture(GREY, other))
    assert torch.allclose(error_picture(other, GREY)[2, 3], error_picture(GREY + 0.1, GREY)[0, 0], atol=1e-5)


def test_pictures_are_of_views_spread_over_the_test_views(small_truth: Truth):
    views = small_truth.views
    gaussians = initialise(views, small_truth.stereo, InitialiseConfig(max_gaussians=300, border_spacing=8))
    files = draw_pictures(gaussians, views, rasterize_cpu, 0.5, 2)
    last = len(views) - 1
    assert list(files) == [
        f"{index:03d}-{kind}.jpg" for index in (0, last) for kind in ("scene", "photo", "error")
    ]
    photo = np.asarray(Image.open(io.BytesIO(files[f"{last:03d}-photo.jpg"])), dtype=np.float32) / 255
    assert np.abs(photo - views.images[last].numpy()).mean() < 0.05
    assert len(draw_pictures(gaussians, views, rasterize_cpu, 0.5, 99)) == 3 * len(views)
    assert draw_pictures(gaussians, views, rasterize_cpu, 0.5, 0) == {}


def test_large_pictures_are_made_small_and_small_ones_left():
    assert reduced(torch.rand(1200, 1600, 3)).shape == (480, 640, 3)
    small = torch.rand(30, 40, 3)
    assert torch.equal(reduced(small), small)
    assert jpeg(small)[:2] == b"\xff\xd8"
