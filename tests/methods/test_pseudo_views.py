"""Cameras between cameras, and the depth that the train views' stereo puts before them."""

import math

import pytest
import torch
from synthetic import STATIONS, Truth, as_views, photograph
from torch import Tensor

from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.pseudo_views import (
    nearest_depth,
    nearest_partners,
    pose_between,
    random_pose_between,
    warped_depth,
)
from recon.scene import Cameras


def turned(degrees: float, centre: tuple[float, float, float]) -> Tensor:
    """camera_from_world of a camera turned about its y axis."""
    angle = math.radians(degrees)
    pose = torch.eye(4, dtype=torch.float64)
    pose[0, 0] = pose[2, 2] = math.cos(angle)
    pose[0, 2], pose[2, 0] = -math.sin(angle), math.sin(angle)
    pose[:3, 3] = -pose[:3, :3] @ torch.tensor(centre, dtype=torch.float64)
    return pose


def share(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def test_half_way_between_two_cameras_by_hand():
    middle = pose_between(turned(-10, (0.0, 0.0, 0.0)), turned(30, (2.0, 0.0, 4.0)), share(0.5))
    torch.testing.assert_close(middle, turned(10, (1.0, 0.0, 2.0)))


def test_the_way_begins_and_ends_at_the_two_cameras(truth: Truth):
    first, second = truth.views.cameras.camera_from_world[:2].double()
    torch.testing.assert_close(pose_between(first, second, share(0.0)), first, atol=1e-6, rtol=0)
    torch.testing.assert_close(pose_between(first, second, share(1.0)), second, atol=1e-6, rtol=0)


def test_every_pose_on_the_way_is_rigid_and_right_handed(truth: Truth):
    first, second = truth.views.cameras.camera_from_world[1:3].double()
    for value in (0.1, 0.37, 0.8):
        rotation = pose_between(first, second, share(value))[:3, :3]
        torch.testing.assert_close(rotation @ rotation.T, torch.eye(3, dtype=torch.float64))
        assert torch.linalg.det(rotation).item() == pytest.approx(1)


def test_random_poses_fill_the_way_and_depend_on_the_generator_alone(truth: Truth):
    cameras = truth.views.cameras
    generator = torch.Generator().manual_seed(3)
    poses = torch.stack([random_pose_between(cameras, 0, 1, generator) for _ in range(200)])
    centres = Cameras(poses, cameras.Ks[:1].repeat(200, 1, 1), ((8, 8),) * 200).centres
    x = centres[:, 0] / STATIONS[1][0]
    assert x.min() < 0.05 and x.max() > 0.95 and x.mean() == pytest.approx(0.5, abs=0.1)
    again = random_pose_between(cameras, 0, 1, torch.Generator().manual_seed(3))
    assert torch.equal(again, poses[0])


def test_partners_are_the_nearest_cameras(small_truth: Truth):
    # By hand from synthetic.STATIONS: the fourth camera is the nearest to the first and to the second.
    assert nearest_partners(small_truth.views.cameras) == (3, 3, 0, 0)


def test_cameras_in_one_place_have_themselves_for_partners(small_truth: Truth):
    cameras = small_truth.views.cameras.select([0, 0])
    assert nearest_partners(cameras) == (0, 1)


def test_the_nearer_of_two_points_on_a_pixel_counts_by_hand():
    K = torch.tensor([[10.0, 0.0, 2.0], [0.0, 10.0, 1.5], [0.0, 0.0, 1.0]])
    # On the axis twice, once not to be used; to the right of the picture; behind the camera.
    xyz = torch.tensor([[0.0, 0, 5], [0, 0, 3], [0, 0, 2], [9, 0, 5], [0, 0, -1]])
    use = torch.tensor([True, True, False, True, True])
    depth = nearest_depth(xyz, use, K, torch.eye(4), (4, 3))
    expected = torch.full((3, 4), torch.inf)
    expected[1, 2] = 3.0
    assert torch.equal(depth, expected)


def test_warped_depth_is_what_a_camera_there_would_see(truth: Truth):
    cameras = truth.views.cameras
    pose = pose_between(cameras.camera_from_world[0], cameras.camera_from_world[1], torch.tensor(0.4))
    depth, use = warped_depth(truth.views, truth.stereo, (0, 1), 0, pose)
    width, height = truth.views.sizes[0]
    _, expected = photograph(
        torch.linalg.inv(pose.double()), cameras.Ks[0].double(), width, height, detail=1.0
    )
    off = (depth[use] / expected[use] - 1).abs()
    assert use.float().mean() > 0.8
    assert (off < 0.02).float().mean() > 0.97


def test_stereo_that_no_view_confirms_is_not_warped(truth: Truth):
    stereo = truth.stereo
    nothing = tuple(torch.zeros_like(c) for c in stereo.consistent)
    empty = type(stereo)(stereo.depths, stereo.confidences, nothing, stereo.depth_range)
    pose = truth.views.cameras.camera_from_world[0]
    assert not warped_depth(truth.views, empty, (0, 1), 0, pose)[1].any()


def test_what_lies_behind_does_not_shine_through_a_surface_that_is_spread_out():
    # Two cameras in one place, the first before a wall at 2, the second before one at 6. From 1 further on,
    # each pixel of the near wall has become four, of which it fills one; the far wall fills most others.
    size = (12, 10)
    K = torch.tensor([[10.0, 0.0, 6.0], [0.0, 10.0, 5.0], [0.0, 0.0, 1.0]])
    cameras = Cameras(torch.eye(4).repeat(2, 1, 1), torch.stack([K, K]), (size, size))
    views = as_views((torch.zeros(10, 12, 3),) * 2, cameras)
    walls = torch.full((10, 12), 2.0), torch.full((10, 12), 6.0)
    stereo = StereoPrior(walls, walls, (torch.ones(10, 12, dtype=torch.bool),) * 2, (1.0, 8.0))
    pose = torch.eye(4)
    pose[2, 3] = -1
    depth, use = warped_depth(views, stereo, (0, 1), 0, pose)
    assert (depth == 5).any()
    assert use.any() and (depth[use] == 1).all()
