"""Camera paths: where they lead, and that they are cameras."""

import torch
from export_scenes import cloud, two_cameras
from torch import Tensor

from recon.exporting.paths import between_path, look_at, look_at_point, orbit_path, turn_between
from recon.scene import Cameras

DOWN = torch.tensor([0.0, 1.0, 0.0])
CENTRE = torch.tensor([0.3, -0.2, 4.0])
"""Of the cloud."""


def ring(count: int = 8) -> Cameras:
    """Cameras all round the cloud, 3 units away."""
    poses = []
    for angle in torch.arange(count) * 2 * torch.pi / count:
        offset = torch.stack([3 * angle.sin(), torch.tensor(-0.5), 3 * angle.cos()])
        poses.append(look_at(CENTRE + offset, CENTRE, -DOWN))
    K = torch.tensor([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
    inverse = torch.linalg.inv(torch.stack(poses))
    return Cameras(inverse, K.expand(count, 3, 3), ((64, 48),) * count)


def assert_cameras(cameras: Cameras) -> None:
    rotations = cameras.camera_from_world[:, :3, :3]
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3).expand_as(rotations), atol=1e-5, rtol=0)
    assert (torch.linalg.det(rotations) > 0).all()
    assert all(width % 2 == 0 and height % 2 == 0 for width, height in cameras.sizes)


def axis_distances(cameras: Cameras, point: Tensor) -> Tensor:
    """How far the optical axes pass by a point."""
    offset = point - cameras.centres
    forward = cameras.world_from_camera[:, :3, 2]
    return (offset - (offset * forward).sum(-1, keepdim=True) * forward).norm(dim=-1)


def test_photos_look_at_what_is_before_them():
    assert (look_at_point(cloud(), ring()) - CENTRE).norm() < 0.15


def test_an_orbit_of_photos_from_one_side_stays_on_that_side_and_looks_at_the_scene():
    cameras = two_cameras()
    orbit = orbit_path(cloud(), cameras, 24, None)
    assert_cameras(orbit)
    pivot = look_at_point(cloud(), cameras)
    assert axis_distances(orbit, pivot).max() < 1e-4
    sides = torch.nn.functional.normalize(orbit.centres - pivot, dim=-1)
    photo = torch.nn.functional.normalize((cameras.centres - pivot).mean(dim=0), dim=-1)
    assert (sides @ photo).min() > 0.8
    step = (orbit.centres - orbit.centres.roll(1, 0)).norm(dim=-1)
    assert step.max() < 0.15, "it closes, without a jump"


def test_an_orbit_of_photos_all_round_goes_all_round():
    orbit = orbit_path(cloud(), ring(), 12, None)
    assert_cameras(orbit)
    flat = (orbit.centres - CENTRE)[:, [0, 2]]
    angles = torch.atan2(flat[:, 0], flat[:, 1]).sort().values
    gaps = torch.cat([angles.diff(), angles[:1] + 2 * torch.pi - angles[-1:]])
    assert gaps.max() < 0.7
    assert ((flat.norm(dim=-1) - 3).abs() < 0.3).all()


def test_pictures_of_an_orbit_are_upright():
    downs = orbit_path(cloud(), ring(), 12, None).world_from_camera[:, :3, 1]
    assert (downs @ DOWN).min() > 0.9


def test_the_path_between_the_photos_passes_through_all_of_them():
    cameras = ring(5)
    path = between_path(cameras, 9, None)
    assert_cameras(path)
    torch.testing.assert_close(path.camera_from_world[::2], cameras.camera_from_world, atol=1e-5, rtol=0)


def test_a_single_photo_is_a_path_that_rests():
    path = between_path(two_cameras().select([1]), 3, None)
    torch.testing.assert_close(
        path.camera_from_world, two_cameras().camera_from_world[[1, 1, 1]], atol=1e-6, rtol=0
    )


def test_half_a_turn_is_a_turn_by_half_the_angle():
    for angle in (1e-5, 0.5, 3.0):
        c, s = torch.cos(torch.tensor(angle)), torch.sin(torch.tensor(angle))
        turn = torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        half = turn_between(torch.eye(3), turn, 0.5)
        torch.testing.assert_close(half @ half, turn, atol=1e-5, rtol=0)


def test_a_smaller_film_shows_the_same():
    whole, half = (orbit_path(cloud(), two_cameras(), 3, size) for size in (None, 32))
    assert half.sizes[0] == (32, 24)
    torch.testing.assert_close(half.Ks[:, :2] * 2, whole.Ks[:, :2])
