"""Pose errors against cameras that were moved by known amounts."""

import math

import pytest
import torch
from torch import Tensor

from recon.methods.priors.poses_accuracy import focal_error, pose_accuracy, similarity_residuals


def turn(axis: int, degrees: float) -> Tensor:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix = torch.eye(3, dtype=torch.float64)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def poses_at(centres: Tensor, rotation: Tensor | None = None) -> Tensor:
    """Cameras at `centres`, all turned alike."""
    poses = torch.eye(4, dtype=torch.float64).repeat(len(centres), 1, 1)
    poses[:, :3, :3] = torch.eye(3) if rotation is None else rotation
    poses[:, :3, 3] = -centres @ poses[0, :3, :3].T
    return poses


CENTRES = torch.tensor(
    [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.5, 0.0], [3.0, 0.0, 1.0]], dtype=torch.float64
)


def test_another_world_is_no_error() -> None:
    rotation = turn(0, 30) @ turn(2, -50)
    truth = poses_at(CENTRES, turn(1, 10))
    moved = truth.clone()
    moved[:, :3, :3] = truth[:, :3, :3] @ rotation.T
    moved_centres = 2.5 * CENTRES @ rotation.T + torch.tensor([3.0, -1.0, 4.0])
    moved[:, :3, 3] = -(moved[:, :3, :3] @ moved_centres[..., None])[..., 0]
    errors = pose_accuracy(moved, truth, range(4))
    assert errors.rotation.max() < 1e-5 and errors.direction.max() < 1e-5 and errors.ate < 1e-9
    assert errors.rra(5.0) == errors.rta(5.0) == 1 and errors.auc() > 0.9999


def test_a_camera_turned_on_the_spot_errs_in_its_own_pairs_alone() -> None:
    truth = poses_at(CENTRES)
    solved = truth.clone()
    solved[0, :3] = turn(1, 8) @ truth[0, :3]
    errors = pose_accuracy(solved, truth, range(4))
    wanted = torch.tensor([8.0, 8, 8, 0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(errors.rotation, wanted, atol=1e-4, rtol=0)
    torch.testing.assert_close(errors.direction[3:], torch.zeros(3, dtype=torch.float64), atol=1e-4, rtol=0)
    assert errors.direction[0] == pytest.approx(8.0), "its neighbour lies square to the axis"
    assert errors.rra(5.0) == 0.5 and errors.rra(15.0) == 1
    assert errors.auc() == pytest.approx(1 - (3 * 8 / 30) / 6, abs=1e-5)
    assert errors.ate < 1e-9, "the centres are where they were"


def test_single_precision_costs_no_accuracy() -> None:
    truth = poses_at(CENTRES, turn(0, 33) @ turn(1, 71))
    solved = truth.clone()
    solved[0, :3] = turn(2, 0.02) @ truth[0, :3]
    errors = pose_accuracy(solved.float(), truth, range(4))
    wanted = torch.tensor([0.02, 0.02, 0.02, 0, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(errors.rotation, wanted, atol=1e-4, rtol=0)


def test_a_centre_that_is_off_shows_in_directions_and_in_the_trajectory() -> None:
    truth = poses_at(CENTRES[:2])
    solved = poses_at(torch.tensor([[0.0, 0, 0], [1, 1, 0]], dtype=torch.float64))
    assert pose_accuracy(solved, truth, range(2)).direction.item() == pytest.approx(45.0)
    four = CENTRES.clone()
    four[1, 1] += 0.3
    errors = pose_accuracy(poses_at(four), poses_at(CENTRES), range(4))
    extent = math.sqrt(10)  # from the first centre to the last
    assert 0.02 * 0.3 / extent < errors.ate < 0.3 / extent
    assert errors.ate < errors.worst_centre <= 2 * errors.ate


def test_a_camera_behind_is_not_a_camera_before() -> None:
    truth, turned = CENTRES[:2], -CENTRES[:2]
    errors = pose_accuracy(poses_at(turned), poses_at(truth), range(2))
    assert errors.direction.item() == pytest.approx(180.0)


def test_photos_left_out_count_as_wrong() -> None:
    truth = poses_at(CENTRES)
    errors = pose_accuracy(truth[[0, 2, 3]], truth, (0, 2, 3))
    assert errors.rra(15.0) == errors.rta(15.0) == errors.auc() == 0.5, "three of six pairs"
    assert errors.registered == 3 and errors.photos == 4 and errors.ate < 1e-9


def test_a_mirror_image_does_not_align() -> None:
    corner = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    mirrored = corner * torch.tensor([1.0, 1, -1])
    assert similarity_residuals(corner, corner).max() < 1e-12
    assert similarity_residuals(mirrored, corner).max() > 0.1


def test_the_focal_error_is_that_of_the_worst_photo() -> None:
    Ks = torch.eye(3).repeat(2, 1, 1) * torch.tensor([110.0, 98.0])[:, None, None]
    assert focal_error(Ks, torch.tensor([100.0, 100.0])) == pytest.approx(0.1)
