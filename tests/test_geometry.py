"""Axes, pixel centres and inverses, against numbers worked out by hand."""

import math

import pytest
import torch
from synthetic import Truth

from recon.geometry import (
    inside,
    pixel_centres,
    project,
    rays_from_pixels,
    rotation_angle,
    sample,
    transform,
    unproject,
)

K = torch.tensor([[100.0, 0.0, 32.0], [0.0, 110.0, 24.0], [0.0, 0.0, 1.0]])


def quarter_turn_right() -> torch.Tensor:
    """camera_from_world of a camera at (1, 2, 3) that looks along the world's +x, its down the world's +y.

    Its right is then the world's -z: right x down = forward, (-z) x y = x."""
    rotation = torch.tensor([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    pose = torch.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -rotation @ torch.tensor([1.0, 2.0, 3.0])
    return pose


def test_a_point_is_projected_as_by_hand():
    # 5 before the camera (along x), 1 to its right (along -z), 0.5 below (along y).
    uv, z = project(torch.tensor([6.0, 2.5, 2.0]), K, quarter_turn_right())
    assert z.item() == pytest.approx(5.0)
    assert uv.tolist() == pytest.approx([100 * 1 / 5 + 32, 110 * 0.5 / 5 + 24])


def test_a_point_behind_the_camera_has_negative_depth():
    _, z = project(torch.tensor([-1.0, 2.0, 3.0]), K, quarter_turn_right())
    assert z.item() == pytest.approx(-2.0)


def test_a_point_in_the_plane_of_the_camera_projects_to_something_finite():
    uv, _ = project(torch.tensor([1.0, 2.5, 2.0]), K, quarter_turn_right())
    assert uv.isfinite().all()


def test_unprojection_hits_the_pixel_centre():
    depth = torch.full((48, 64), 5.0)
    points = unproject(depth, K, torch.linalg.inv(quarter_turn_right()))
    # Pixel (u 52, v 35): its centre is (52.5, 35.5).
    right, below = (52.5 - 32) / 100 * 5, (35.5 - 24) / 110 * 5
    assert points[35, 52].tolist() == pytest.approx([6.0, 2.0 + below, 3.0 - right], abs=1e-5)


def test_projection_undoes_unprojection(truth: Truth):
    cameras = truth.views.cameras
    for index, depth in enumerate(truth.depths):
        points = unproject(depth, cameras.Ks[index], cameras.world_from_camera[index])
        uv, z = project(points, cameras.Ks[index], cameras.camera_from_world[index])
        torch.testing.assert_close(z, depth, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(uv, pixel_centres(*depth.shape, like=depth), rtol=0, atol=1e-3)


def test_rays_have_unit_depth():
    rays = rays_from_pixels(torch.tensor([[32.0, 24.0], [132.0, 134.0]]), K)
    torch.testing.assert_close(rays, torch.tensor([[0.0, 0.0, 1.0], [1.0, 1.0, 1.0]]))


def test_transform_takes_similarities():
    matrix = torch.eye(4)
    matrix[:3, :3] *= 2
    matrix[:3, 3] = torch.tensor([1.0, 0.0, -1.0])
    assert transform(matrix, torch.tensor([[1.0, 2.0, 3.0]])).tolist() == [[3.0, 4.0, 5.0]]


@pytest.mark.parametrize(
    ("uv", "z", "expected"),
    [
        ((0.0, 0.0), 1.0, True),
        ((63.9, 47.9), 1.0, True),
        ((64.0, 10.0), 1.0, False),
        ((10.0, 48.0), 1.0, False),
        ((-0.1, 10.0), 1.0, False),
        ((10.0, -0.1), 1.0, False),
        ((10.0, 10.0), -1.0, False),
    ],
)
def test_the_picture_ends_at_its_width_and_height(uv: tuple[float, float], z: float, expected: bool):
    assert inside(torch.tensor(uv), torch.tensor(z), (64, 48)).item() is expected


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("shape", [(5, 7), (35,), (1, 35)])
def test_reading_at_pixel_centres_gives_the_pixels_themselves(mode: str, shape: tuple[int, ...]):
    image = torch.rand(5, 7, 4, generator=torch.Generator().manual_seed(0))
    uv = pixel_centres(5, 7, like=image).reshape(*shape, 2)
    torch.testing.assert_close(sample(image, uv, mode=mode), image.reshape(*shape, 4))


def test_reading_between_pixels_is_linear():
    image = torch.tensor([[[0.0], [8.0]], [[2.0], [10.0]]])
    uv = torch.tensor([[1.0, 0.5], [0.75, 1.0], [0.5, 1.5]])
    assert sample(image, uv)[:, 0].tolist() == pytest.approx([4.0, 3.0, 2.0])


def test_reading_outside_gives_the_border_or_zero():
    image = torch.tensor([[[1.0], [2.0], [3.0]]])
    uv = torch.tensor([[-5.0, 0.5], [9.0, 0.5]])
    assert sample(image, uv)[:, 0].tolist() == [1.0, 3.0]
    assert sample(image, uv, padding_mode="zeros")[:, 0].tolist() == [0.0, 0.0]


def test_a_stack_of_positions_is_read_like_each_alone():
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(6, 9, 3, generator=generator)
    uv = torch.rand(4, 5, 8, 2, generator=generator) * torch.tensor([9.0, 6.0])
    together = sample(image, uv)
    assert together.shape == (4, 5, 8, 3)
    for i in range(4):
        torch.testing.assert_close(together[i], sample(image, uv[i]))


@pytest.mark.parametrize("degrees", [0.0, 0.5, 90.0, 179.0])
def test_rotation_angle_is_in_degrees_and_does_not_care_for_the_frame(degrees: float):
    angle = math.radians(degrees)
    turn = torch.eye(3, dtype=torch.float64)
    turn[:2, :2] = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64
    )
    frame = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2)).double()).Q
    for a, b in [(torch.eye(3).double(), turn), (frame, turn @ frame), (frame @ turn, frame)]:
        assert rotation_angle(a, b).item() == pytest.approx(degrees, abs=1e-5)
