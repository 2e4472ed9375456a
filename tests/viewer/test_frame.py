"""Where the eye stands and what a window shows of the photo."""

import math

import numpy as np
import pytest
import torch
import viser.transforms as tf
from two_colours import DISTANCE, FOCAL, HEIGHT, WIDTH, two_coloured_wall

from recon.scene import Cameras
from recon.viewer.frame import DISPLAY_DISTANCE, display_frame, overview, standpoints
from recon.viewer.scene import ViewerScene


def look_at_matrix(position: np.ndarray, look_at: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Columns right, down, forward of an orbit camera, as the browser derives them."""
    forward = (look_at - position) / np.linalg.norm(look_at - position)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward], axis=1)


def tilted_cameras(angles: tuple[float, ...]) -> Cameras:
    """Cameras that look along different directions and are rolled by `angles` about their axes."""
    poses = torch.eye(4).repeat(len(angles), 1, 1)
    for i, angle in enumerate(angles):
        rotation = tf.SO3.from_y_radians(0.3 * i) @ tf.SO3.from_x_radians(-0.2) @ tf.SO3.from_z_radians(angle)
        world_from_camera = torch.eye(4, dtype=torch.float64)
        world_from_camera[:3, :3] = torch.from_numpy(rotation.as_matrix())
        world_from_camera[:3, 3] = torch.tensor([i, -0.1, 0.2 * i])
        poses[i] = world_from_camera.inverse()
    K = torch.tensor([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    return Cameras(poses, K.repeat(len(angles), 1, 1), ((WIDTH, HEIGHT),) * len(angles))


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_the_scene_has_the_same_size_on_display_in_any_unit(unit: float):
    gaussians, views = two_coloured_wall(unit)
    frame = display_frame(gaussians, views.cameras)
    assert unit * DISTANCE * frame.scale == pytest.approx(DISPLAY_DISTANCE, rel=0.4)
    assert frame.points(views.cameras.centres).mean(dim=0).abs().max() < 1e-4
    torch.testing.assert_close(frame.up, torch.tensor([0.0, -1.0, 0.0]))


@pytest.mark.parametrize("roll", [0.0, 0.5, -1.3, math.pi / 2, math.pi])
def test_an_orbit_camera_at_a_standpoint_has_the_photos_own_orientation(roll: float):
    gaussians, _ = two_coloured_wall()
    cameras = tilted_cameras((0.0, 0.0, roll))
    frame = display_frame(gaussians, cameras)
    for standpoint, world_from_camera in zip(
        standpoints(gaussians, cameras, frame), cameras.world_from_camera, strict=True
    ):
        drawn = look_at_matrix(standpoint.position, standpoint.look_at, standpoint.up)
        np.testing.assert_allclose(drawn, world_from_camera[:3, :3], atol=1e-4)
        expected = frame.points(world_from_camera[:3, 3])
        np.testing.assert_allclose(standpoint.position, expected, atol=1e-4)


def test_cameras_that_are_not_rolled_share_one_up():
    """Else every jump would tilt the horizon that orbiting keeps."""
    gaussians, _ = two_coloured_wall()
    cameras = tilted_cameras((0.0, 0.0))
    frame = display_frame(gaussians, cameras)
    for standpoint in standpoints(gaussians, cameras, frame):
        assert standpoint.up @ frame.up.numpy() > 0.98


def test_up_is_up_even_if_cameras_contradict_each_other():
    gaussians, _ = two_coloured_wall()
    up = display_frame(gaussians, tilted_cameras((0.0, math.pi)).select([0, 0])).up
    assert up[1] < -0.9
    contradicting = tilted_cameras((0.0, 0.0)).select([0, 0])
    contradicting.camera_from_world[1, :2] *= -1
    assert display_frame(gaussians, contradicting).up.norm() == pytest.approx(1)


def test_the_look_at_point_lies_on_the_surface():
    gaussians, views = two_coloured_wall()
    frame = display_frame(gaussians, views.cameras)
    for standpoint in standpoints(gaussians, views.cameras, frame):
        surface = frame.points(torch.tensor([0.0, 0.0, DISTANCE]))[2]
        assert standpoint.look_at[2] == pytest.approx(float(surface), abs=1e-3)


def test_a_window_shows_all_of_the_photo_whatever_its_shape():
    gaussians, views = two_coloured_wall()
    frame = display_frame(gaussians, views.cameras)
    standpoint = standpoints(gaussians, views.cameras, frame)[0]
    photo = 2 * math.atan(HEIGHT / 2 / FOCAL)
    assert standpoint.fov(aspect=3.0) == pytest.approx(photo)
    assert standpoint.fov(aspect=WIDTH / HEIGHT) == pytest.approx(photo)
    assert standpoint.fov(aspect=1.0) == pytest.approx(2 * math.atan(WIDTH / 2 / FOCAL))
    phone = 2 * math.atan(1.5 * HEIGHT / 2 / FOCAL)
    assert standpoint.fov(aspect=0.5) == standpoint.fov(aspect=0.4) == pytest.approx(phone)


def test_a_cloud_without_cameras_is_seen_whole_despite_outliers():
    gaussians, _ = two_coloured_wall()
    with torch.no_grad():
        gaussians.means[::50] *= 1e4
        gaussians.means[7] = float("nan")
    scene = ViewerScene.from_gaussians(gaussians)
    frame = display_frame(scene.gaussians, scene.cameras)
    eye = overview(frame)
    axes = look_at_matrix(eye.position, eye.look_at, eye.up)
    rays = (frame.points(gaussians.means.detach()).numpy() - eye.position) @ axes
    tangents = np.abs(rays[:, :2] / rays[:, 2:])
    assert np.mean((rays[:, 2] > 0) & (tangents < eye.half_tangents).all(axis=1)) > 0.85
    assert np.nanmedian(tangents) > 0.1
