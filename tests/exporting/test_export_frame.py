"""The exports' frame: what is drawn stays the same picture, upright and centred."""

import pytest
import torch
from export_scenes import cloud, two_cameras

from recon.exporting.frame import Y_UP, export_from_world, move_cameras, move_gaussians, sh_rotation
from recon.rendering import render
from recon.rendering.reference import rasterize_reference, sh_basis
from recon.scene import Cameras


def rotation(seed: int) -> torch.Tensor:
    q = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(seed)))[0]
    return q * torch.linalg.det(q).sign()


def rigid(seed: int) -> torch.Tensor:
    matrix = torch.eye(4)
    matrix[:3, :3] = rotation(seed)
    matrix[:3, 3] = torch.tensor([0.4, -1.0, 2.0])
    return matrix


def directions() -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(50, 3, generator=torch.Generator().manual_seed(9)), dim=-1
    )


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_turned_harmonics_have_the_old_value_in_the_turned_direction(degree: int, seed: int):
    coefficients = torch.randn((degree + 1) ** 2 - 1, generator=torch.Generator().manual_seed(seed))
    turn = rotation(seed)
    before = sh_basis(directions(), degree)[:, 1:] @ coefficients
    after = sh_basis(directions() @ turn.T, degree)[:, 1:] @ (sh_rotation(turn, degree) @ coefficients)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)


@pytest.mark.parametrize("matrix", [rigid(0), rigid(1), Y_UP, torch.eye(4)], ids=["a", "b", "y up", "none"])
def test_a_moved_scene_is_the_same_picture_for_moved_cameras(matrix: torch.Tensor):
    gaussians, cameras = cloud(200, degree=3), two_cameras()
    moved, moved_cameras = move_gaussians(gaussians, matrix), move_cameras(cameras, matrix)
    with torch.no_grad():
        for index in range(2):
            before = render(gaussians, cameras, index, rasterize_reference).rgb
            after = render(moved, moved_cameras, index, rasterize_reference).rgb
            torch.testing.assert_close(after, before, atol=2e-4, rtol=0)


def test_the_frame_is_centred_upright_and_rigid():
    gaussians = cloud(300)
    turned = move_cameras(two_cameras(), rigid(3))  # a world whose axes mean nothing
    gaussians = move_gaussians(gaussians, rigid(3))
    matrix = export_from_world(gaussians, turned)
    torch.testing.assert_close(matrix[:3, :3] @ matrix[:3, :3].T, torch.eye(3), atol=1e-5, rtol=0)
    assert torch.linalg.det(matrix[:3, :3]) > 0
    cameras = move_cameras(turned, matrix).world_from_camera
    moved = move_gaussians(gaussians, matrix)

    down, forward = cameras[:, :3, 1].mean(dim=0), cameras[:, :3, 2].mean(dim=0)
    assert down[1] > 0.9 * down.norm()
    assert forward[0].abs() < 1e-5 and forward[2] > 0.9
    # A median does not turn with the axes, but stays inside.
    assert moved.means.detach().median(dim=0).values.norm() < 0.2


def test_cameras_that_contradict_each_other_still_give_a_frame():
    """A ring that looks inward has no mean direction; opposite rolls have no mean down."""
    flip = torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0]))
    roll = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0]))
    for other in (flip, roll, roll @ flip):
        poses = torch.stack([torch.eye(4), other])
        cameras = Cameras(poses, torch.eye(3).repeat(2, 1, 1), ((4, 4),) * 2)
        turn = export_from_world(cloud(10), cameras)[:3, :3]
        torch.testing.assert_close(turn @ turn.T, torch.eye(3), atol=1e-5, rtol=0)


def test_a_cloud_without_cameras_is_centred_and_not_turned():
    gaussians = cloud(101)
    matrix = export_from_world(gaussians, two_cameras().select([]))
    assert torch.equal(matrix[:3, :3], torch.eye(3))
    moved = move_gaussians(gaussians, matrix)
    assert moved.means.detach().median(dim=0).values.abs().max() < 1e-6
