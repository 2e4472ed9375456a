"""What the photos vouch for, on a wall with a board before it, seen from three places."""

import pytest
import torch

from recon.gaussians import Gaussians, sh0_from_rgb
from recon.rendering.reference import rasterize_reference
from recon.scene import Cameras
from recon.support import Support, reduced, support

SIZE = 40
FAR, NEAR = 4.0, 2.0
"""Depths of the wall and of the board."""


def sheet(depth: float, half: float, step: float) -> torch.Tensor:
    """Points of a square sheet across the axis."""
    side = torch.arange(-half, half + 1e-6, step)
    x, y = torch.meshgrid(side, side, indexing="xy")
    return torch.stack([x.flatten(), y.flatten(), torch.full((x.numel(),), depth)], dim=-1)


def opaque(means: torch.Tensor, scale: float) -> Gaussians:
    count = len(means)
    return Gaussians(
        means,
        torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        torch.full((count, 3), scale).log(),
        torch.full((count,), 6.0),
        sh0_from_rgb(torch.full((count, 1, 3), 0.5)),
        torch.zeros(count, 0, 3),
    )


def cameras_at(*xs: float) -> Cameras:
    """Cameras beside one another, all looking along z."""
    poses = torch.eye(4).repeat(len(xs), 1, 1)
    poses[:, 0, 3] = -torch.tensor(xs)
    K = torch.tensor([[float(SIZE), 0, SIZE / 2], [0, SIZE, SIZE / 2], [0, 0, 1]])
    return Cameras(poses, K.repeat(len(xs), 1, 1), ((SIZE, SIZE),) * len(xs))


@pytest.fixture(scope="module")
def scene() -> tuple[Gaussians, Support, int]:
    """The wall, then the board, then one floater before the wall; and how many Gaussians the wall has."""
    wall, board = sheet(FAR, 2.4, 0.12), sheet(NEAR, 0.18, 0.06)
    floater = torch.tensor([[0.9, 0.0, 2.0]])
    gaussians = opaque(torch.cat([wall, board, floater]), 0.06)
    with torch.no_grad():
        gaussians.logit_opacities[-1] = -2.0
    return gaussians, support(gaussians, cameras_at(-0.8, 0.0, 0.8), rasterize_reference), len(wall)


def at(gaussians: Gaussians, x: float, y: float, z: float) -> int:
    return int((gaussians.means - torch.tensor([x, y, z])).norm(dim=-1).argmin())


def test_the_wall_is_seen_where_it_is_in_the_picture(scene):
    gaussians, found, _ = scene
    assert found.seen[:, at(gaussians, 0.0, 1.2, FAR)].tolist() == [True, True, True]
    assert found.seen[:, at(gaussians, 2.3, 1.2, FAR)].tolist() == [False, False, True]


def test_what_hides_behind_the_board_is_not_seen_from_there(scene):
    gaussians, found, _ = scene
    assert found.seen[:, at(gaussians, 0.0, 0.0, FAR)].tolist() == [True, False, True]


def test_the_board_is_seen_by_all_and_a_faint_floater_by_none(scene):
    gaussians, found, wall = scene
    assert found.counts[at(gaussians, 0.0, 0.0, NEAR)] == 3
    assert found.counts[-1] == 0
    assert (found.counts[wall:-1] >= 1).all()


def test_the_angle_is_that_to_the_closest_photo_which_sees_it(scene):
    gaussians, found, _ = scene
    index = at(gaussians, 0.0, 0.0, FAR)
    angles = found.angles(gaussians.means, torch.zeros(3))
    expected = torch.rad2deg(torch.atan(torch.tensor(0.8 / FAR)))  # the middle photo, at 0, is blocked
    torch.testing.assert_close(angles[index], expected, atol=0.1, rtol=0)
    assert angles[-1] == 180
    from_photo = found.angles(gaussians.means, torch.tensor([0.8, 0.0, 0.0]))
    assert from_photo[index] < 0.1


def test_an_empty_place_supports_nothing():
    gaussians = opaque(torch.tensor([[0.0, 0.0, -3.0]]), 0.1)
    assert support(gaussians, cameras_at(0.0), rasterize_reference).counts.tolist() == [0]


def test_reduced_cameras_see_the_same_in_fewer_pixels():
    cameras = cameras_at(0.0)
    small = reduced(cameras, 10)
    assert small.sizes == ((10, 10),)
    torch.testing.assert_close(small.Ks[0, :2] * SIZE / 10, cameras.Ks[0, :2])
    assert reduced(cameras).sizes == cameras.sizes
