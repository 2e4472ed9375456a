"""Every Gaussian of the first ones knows the pixel that it came from."""

import torch
from synthetic import Truth

from recon.geometry import unproject
from recon.methods.homes import find_homes


def test_points_on_the_surface_that_a_photo_shows_are_at_home_in_their_pixel(truth: Truth):
    cameras, depth = truth.views.cameras, truth.depths[0]
    points = unproject(depth, cameras.Ks[0], cameras.world_from_camera[0])[5:60:9, 7:80:11]
    view, u, v, disparity = find_homes(points.reshape(-1, 3), truth.views, truth.stereo).unbind(-1)
    assert (view == 0).all()
    expected_v, expected_u = torch.meshgrid(
        torch.arange(5, 60, 9) + 0.5, torch.arange(7, 80, 11) + 0.5, indexing="ij"
    )
    torch.testing.assert_close(u, expected_u.flatten(), atol=1e-3, rtol=0)
    torch.testing.assert_close(v, expected_v.flatten(), atol=1e-3, rtol=0)
    torch.testing.assert_close(1 / disparity, depth[5:60:9, 7:80:11].flatten())


def test_a_surface_that_the_first_photo_does_not_show_is_at_home_in_the_next(truth: Truth):
    cameras = truth.views.cameras
    points = unproject(truth.depths[2], cameras.Ks[2], cameras.world_from_camera[2]).reshape(-1, 3)
    view = find_homes(points, truth.views, truth.stereo)[:, 0]
    assert set(view.tolist()) == {0, 1, 2} or set(view.tolist()) == {0, 2}
    assert (view == 0).float().mean() > 0.5


def test_points_in_front_of_every_surface_have_no_home(truth: Truth):
    points = torch.tensor([[0.0, 0.0, 1.5], [0.0, 0.0, -3.0], [50.0, 0.0, 4.0]])
    assert (find_homes(points, truth.views, truth.stereo)[:, 0] == -1).all()
