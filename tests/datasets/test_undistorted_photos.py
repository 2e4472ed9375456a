from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recon.datasets.photo_file import read_photo
from recon.datasets.undistorted_photos import undistorted_photos
from recon.lens import Lens, simple_radial
from recon.scene import Photos

FILE, FITTED = (640, 480), (320, 240)
K = np.array([[300.0, 0, 158.3], [0, 300.0, 121.9], [0, 0, 1]])
"""At the fitted size."""


def rays() -> np.ndarray:
    """x / z and y / z (m, 2) of points spread over the photo."""
    return np.stack(np.meshgrid(np.linspace(-0.42, 0.42, 9), np.linspace(-0.32, 0.32, 7)), -1).reshape(-1, 2)


def photos_of(at: np.ndarray, path: Path) -> Photos:
    """Photos of soft spots at the pixels `at` (m, 2) of the file."""
    x, y = np.arange(FILE[0]) + 0.5, np.arange(FILE[1])[:, None] + 0.5
    grey = sum(np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 4.0**2)) for u, v in at)
    pixels = (255 * np.repeat(np.asarray(grey)[..., None], 3, axis=2)).round().clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    image = read_photo(path, max(FITTED)).image
    return Photos((image,), (path.name,), (None,), paths=(path,), focal_priors=(None,))


def centroid(picture: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Centre of brightness within 7 pixels of `near`, pixel centres at +0.5."""
    x, y = np.arange(picture.shape[1]) + 0.5, np.arange(picture.shape[0])[:, None] + 0.5
    weight = picture[..., 0] * ((x - near[0]) ** 2 + (y - near[1]) ** 2 < 49)
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@pytest.mark.parametrize("k1", [-0.1, 0.05])
def test_undistortion_is_the_inverse_of_projection(k1: float, tmp_path: Path):
    xy = rays()
    stretch = 1 + k1 * np.square(xy).sum(1, keepdims=True)
    seen = 2 * (K[0, 0] * stretch * xy + K[:2, 2])
    photos = photos_of(seen, tmp_path / "spots.png")
    undone, Ks = undistorted_photos(photos, [simple_radial(FITTED, K, k1)])
    found = Ks[0].numpy()
    expected = found[0, 0] * xy + found[:2, 2]
    inside = ((expected > 8) & (expected < np.array(FITTED) - 8)).all(1)
    assert inside.sum() > 40
    picture = undone.images[0].numpy()
    errors = [np.linalg.norm(centroid(picture, at) - at) for at in expected[inside]]
    assert max(errors) < 0.05
    assert np.linalg.norm(expected - seen / 2, axis=1).max() > 1, "the spots did move"


def test_masks_and_depths_follow_their_photo(tmp_path: Path):
    photos = photos_of(2 * (K[0, 0] * rays() + K[:2, 2]), tmp_path / "spots.png")
    mask, depth = torch.ones(240, 320, dtype=torch.bool), torch.full((240, 320), 2.0)
    mask[:, :20] = False
    depth[:20] = 0
    photos = replace(photos, masks=(mask,), depths=(depth,))
    undone, _ = undistorted_photos(photos, [simple_radial(FITTED, K, 0.3)])  # a crop by 10 % all around
    counts, metres = undone.masks[0], undone.depths[0]
    assert counts is not None and metres is not None
    assert counts.shape == metres.shape == (240, 320)
    assert not counts[120, 0] and counts[120, 15:].all(), "bent outwards, so that less is seen of the sides"
    assert metres[0, 160] == 0 and (metres[metres > 0] - 2).abs().max() < 1e-5 and (metres[25:] > 0).all()


def test_a_photo_without_distortion_among_others_keeps_its_pixels(tmp_path: Path):
    one = photos_of(2 * (K[0, 0] * rays() + K[:2, 2]), tmp_path / "spots.png")
    photos = one.select([0, 0])
    lenses = [Lens(FITTED, K), simple_radial(FITTED, K, 0.05)]
    undone, Ks = undistorted_photos(photos, lenses)
    assert undone.images[0] is photos.images[0] and not torch.equal(undone.images[1], photos.images[1])
    assert undone.lenses == tuple(lenses) and torch.equal(Ks[0], torch.from_numpy(K).float())
    assert undone.select([1]).lenses == (lenses[1],)
