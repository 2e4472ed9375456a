"""Given cameras that are not exact, against the sample's exact ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_poses import centres, read, true_poses, worst_relative_rotation

from recon.methods.priors.poses_features import Features
from recon.methods.priors.poses_frame import Similarity, similarity_of_cameras
from recon.methods.priors.poses_given import epipolar_error, refine_given
from recon.scene import Cameras, Views


def turned(degrees: float, shift: float, poses: torch.Tensor) -> torch.Tensor:
    """Each camera turned and moved by so much, each in its own direction."""
    generator = torch.Generator().manual_seed(0)
    turns, shifts = torch.nn.functional.normalize(
        torch.randn(2, len(poses), 3, generator=generator, dtype=torch.float64), dim=-1
    )
    x, y, z = (np.radians(degrees) * turns).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    moved = poses.clone()
    moved[:, :3, :3] = torch.linalg.matrix_exp(cross) @ poses[:, :3, :3]
    moved[:, :3, 3] = -(moved[:, :3, :3] @ (centres(poses) + shift * shifts)[..., None])[..., 0]
    return moved


def yard(poses: torch.Tensor) -> Views:
    """The sample's first four photos with these cameras."""
    photos = read(true_poses("input")[0][: len(poses)], 480)
    K = torch.tensor([[390.0, 0, 240], [0, 390.0, 180], [0, 0, 1]]).expand(len(poses), 3, 3)
    return photos.with_cameras(Cameras(poses.float(), K, photos.sizes))


def test_disturbed_cameras_come_back_in_the_world_that_they_were_given_in() -> None:
    truth = true_poses("input")[1][:4]
    given = turned(1.0, 0.022, truth)
    refined = refine_given(yard(given))
    assert refined.adjusted == (0, 1, 2, 3)
    assert worst_relative_rotation(given, truth) > 1.0
    assert worst_relative_rotation(refined.cameras.camera_from_world, truth) < 0.2
    # The world is known as well as the given cameras taken together.
    assert (refined.cameras.centres.double() - centres(truth)).norm(dim=1).max() < 0.03
    assert refined.error_before is not None and refined.error_after is not None
    assert refined.error_after < 0.2 * refined.error_before


def test_cameras_of_photos_that_share_nothing_stay() -> None:
    views = yard(true_poses("input")[1][:3])
    noise = torch.rand(3, 120, 160, 3, generator=torch.Generator().manual_seed(0))
    strangers = replace(views, images=tuple(noise), cameras=replace(views.cameras, sizes=((160, 120),) * 3))
    refined = refine_given(strangers)
    assert refined.adjusted == () and refined.error_before is None
    assert torch.equal(refined.cameras.camera_from_world, views.cameras.camera_from_world)


def test_the_similarity_of_cameras_is_found_again() -> None:
    poses = true_poses("input")[1].numpy()
    angle = 0.7
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    truth = Similarity(rotation, np.array([1.0, -2.0, 0.5]), 3.0)
    moved = truth.cameras(poses)
    for count in (2, 6):  # two centres lie on a line, about which they say nothing
        found = similarity_of_cameras(poses[:count], moved[:count])
        np.testing.assert_allclose(found.cameras(poses), moved, atol=1e-9)


def test_the_epipolar_error_is_the_distance_that_matches_were_moved_by() -> None:
    poses = np.stack([np.eye(4), np.eye(4)])
    poses[1, 0, 3] = -0.5  # half a metre to the right: epipolar lines are level
    K = np.array([[390.0, 0, 240], [0, 390.0, 180], [0, 0, 1]])
    xyz = np.random.default_rng(0).uniform(-0.3, 0.3, (50, 3)) + [0, 0, 2]
    pixels = []
    for pose in poses:
        seen = (xyz @ pose[:3, :3].T + pose[:3, 3]) @ K.T
        pixels.append(seen[:, :2] / seen[:, 2:])
    none = np.zeros((50, 2)), np.zeros((50, 128), np.uint8)
    features = [Features(uv, *none) for uv in pixels]
    matches = {(0, 1): np.arange(50)[:, None].repeat(2, axis=1)}
    exact = epipolar_error(poses, np.stack([K, K]), features, matches)
    assert exact == pytest.approx(0, abs=1e-6)
    features[1] = Features(pixels[1] + [0.0, 2.0], *none)
    moved = epipolar_error(poses, np.stack([K, K]), features, matches)
    assert moved == pytest.approx(2 / np.sqrt(2)), "both keypoints move by half of it"
