"""Cameras, Photos and Views keep their parts together."""

from pathlib import Path

import pytest
import torch
from synthetic import Truth, as_views, look_at

from recon.scene import Cameras, Photos, Views


def test_some_of_the_views_keep_their_own_cameras(truth: Truth):
    chosen = truth.views.select([2, 0])
    assert chosen.names == ("2.png", "0.png")
    assert chosen.paths == (Path("2.png"), Path("0.png"))
    assert chosen.sizes == chosen.cameras.sizes == (truth.views.sizes[2], truth.views.sizes[0])
    assert torch.equal(chosen.images[0], truth.views.images[2])
    assert torch.equal(chosen.cameras.Ks, truth.views.cameras.Ks[[2, 0]])
    assert torch.equal(chosen.cameras.camera_from_world[1], truth.views.cameras.camera_from_world[0])


def test_no_view_may_be_chosen(truth: Truth):
    assert len(truth.views.select([])) == 0


def test_chosen_photos_keep_masks_and_focal_priors():
    images = tuple(torch.full((2, 3, 3), float(i)) for i in range(3))
    masks = (None, torch.ones(2, 3, dtype=torch.bool), None)
    photos = Photos(
        images, ("a", "b", "c"), masks, paths=tuple(map(Path, "abc")), focal_priors=(None, 7.0, 9.0)
    )
    chosen = photos.select([1, 2])
    assert chosen.focal_priors == (7.0, 9.0)
    assert chosen.masks[0] is masks[1] and chosen.masks[1] is None
    assert not isinstance(chosen, Views)


def test_moving_views_moves_images_masks_and_cameras(truth: Truth):
    moved = truth.views.to("meta")
    assert {image.device.type for image in moved.images} == {"meta"}
    assert moved.cameras.Ks.device.type == moved.cameras.camera_from_world.device.type == "meta"


def test_a_photo_must_have_the_size_of_its_camera(truth: Truth):
    images = tuple(image[:-1] for image in truth.views.images)
    with pytest.raises(ValueError, match="photos of .* but cameras of"):
        as_views(images, truth.views.cameras)


def test_every_camera_needs_a_pose_an_intrinsic_matrix_and_a_size(truth: Truth):
    cameras = truth.views.cameras
    with pytest.raises(ValueError, match="3 poses, 3 intrinsics and 2 sizes"):
        Cameras(cameras.camera_from_world, cameras.Ks, cameras.sizes[:2])


def test_world_from_camera_is_the_inverse_and_centres_are_where_the_cameras_stand():
    stations = torch.tensor([[0.5, -1.0, 2.0], [3.0, 0.2, -0.7]], dtype=torch.float64)
    world_from_camera = torch.stack([look_at(station) for station in stations])
    cameras = Cameras(
        torch.linalg.inv(world_from_camera), torch.eye(3).double().repeat(2, 1, 1), ((4, 3), (4, 3))
    )
    torch.testing.assert_close(cameras.world_from_camera, world_from_camera)
    torch.testing.assert_close(cameras.centres, stations)
