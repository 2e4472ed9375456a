"""Dense tracks in photos of a scene that is known exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from tracked import TRACKED_SIZE, tracked_photos

from recon.methods.priors.poses_adjust import Bundle, LensPrior, adjust
from recon.methods.priors.poses_dense import CELLS, MAX_ERROR, _lay, with_dense_tracks
from recon.methods.priors.poses_features import Picture
from recon.methods.priors.poses_patches import blurred


@pytest.fixture(scope="module")
def scene() -> tuple[Bundle, list[Picture], list[Tensor]]:
    """True cameras with few exact points on a grid of each photo, the photos, and their depths."""
    exact = tracked_photos(every=50)
    return exact.bundle, exact.pictures, exact.depths


def test_new_points_lie_on_the_surfaces_where_no_keypoints_are(scene) -> None:
    bundle, pictures, depths = scene
    dense = with_dense_tracks(bundle, pictures)
    count = len(bundle.xyz)
    assert len(dense.xyz) > count + 100
    assert torch.equal(dense.xyz[:count], bundle.xyz) and torch.equal(dense.uv[: len(bundle.uv)], bundle.uv)
    new = dense.point >= count
    assert (torch.bincount(dense.point[new] - count) >= 2).all(), "each is seen twice or more"
    assert dense.residuals()[new].norm(dim=1).max() < 1.5 * MAX_ERROR
    assert dense.residuals()[new].norm(dim=1).median() < 0.05
    errors = []
    for view, point, uv in zip(dense.view[new], dense.point[new], dense.uv[new], strict=True):
        depth = depths[view][int(uv[1]), int(uv[0])]
        errors.append(
            float((dense.rotations[view] @ dense.xyz[point] + dense.translations[view])[2] / depth - 1)
        )
    assert np.median(np.abs(errors)) < 0.01
    assert np.mean(np.abs(errors) < 0.05) > 0.9, "but for the edges of the board"


def test_corners_are_one_a_cell_and_inside_masks(scene) -> None:
    bundle, pictures, _ = scene
    width, height = TRACKED_SIZE
    left = np.zeros((height, width), dtype=bool)
    left[:, : width // 2] = True
    dense = with_dense_tracks(bundle, [replace(picture, mask=left) for picture in pictures])
    # The first entry of a track is the corner itself; what follows is where its patch was found.
    new = torch.arange(len(bundle.uv), len(dense.uv))
    first = new[torch.cat([torch.ones(1, dtype=torch.bool), dense.point[new].diff() > 0])]
    assert len(first) > 30 and (dense.uv[first, 0] < width / 2 + 1).all()
    cells = (dense.uv[first] / round(width / CELLS)).long()
    owners = torch.cat([dense.view[first, None], cells], dim=1)
    assert len(owners.unique(dim=0)) == len(owners)


def test_what_flow_finds_is_laid_over_exactly(scene) -> None:
    bundle, pictures, _ = scene
    photo = blurred(pictures[0].grey)
    corners = bundle.uv[(bundle.view == 0) & ((bundle.uv > 20) & (bundle.uv < 200)).all(1)].numpy()
    laid = _lay(photo, photo, corners, corners + 0.6)
    off = np.abs(laid.uv.numpy() - corners)[laid.good.numpy()]
    assert laid.good.double().mean() > 0.8 and off.max() < 0.02


def test_photos_may_differ_in_size(scene) -> None:
    bundle, pictures, _ = scene
    cut = Picture(np.ascontiguousarray(pictures[1].grey[:200, :280]), None)
    dense = with_dense_tracks(bundle, [pictures[0], cut, pictures[2]])
    new = torch.arange(len(dense.uv)) >= len(bundle.uv)
    assert dense.residuals()[new].norm(dim=1).median() < 0.2
    inside = dense.uv[new & (dense.view == 1)]
    assert len(inside) > 100 and (inside < torch.tensor([280, 200])).all()


def test_photos_that_show_something_else_add_nothing(scene) -> None:
    bundle, pictures, _ = scene
    noise = [
        Picture(np.random.default_rng(seed).integers(0, 256, p.grey.shape, dtype=np.uint8), None)
        for seed, p in enumerate(pictures)
    ]
    assert len(with_dense_tracks(bundle, noise).xyz) < len(bundle.xyz) + 5


def test_cameras_that_are_off_come_nearer(scene) -> None:
    """The keypoints carry half a pixel of noise; corners measure better, and are more."""
    bundle, pictures, _ = scene
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(bundle.uv.shape, generator=generator, dtype=torch.float64)
    prior = LensPrior(bundle.centres, *torch.tensor([[1.0], [0.05]], dtype=torch.float64))
    sparse = adjust(replace(bundle, uv=bundle.uv + 0.7 * noise), prior)
    dense = adjust(with_dense_tracks(sparse, pictures), prior)

    def turned(found: Bundle) -> float:
        relative, true = (b.rotations[1:] @ b.rotations[:1].mT for b in (found, bundle))
        return float((relative - true).norm())

    assert turned(dense) < 0.7 * turned(sparse)
