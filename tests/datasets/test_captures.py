"""Readers held against real captures, which are not part of the repository."""

import cv2
import numpy as np
import pycolmap
import pytest
import torch

from recon.datasets import DataConfig, load, read_photo
from recon.scene import Cameras, Views


def train_views(path, **wishes: object) -> Views:
    views = load(DataConfig(path, **wishes)).train
    assert isinstance(views, Views)
    return views


def relative_poses(cameras: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (n, 3, 3) and centres (n, 3) seen from the first camera, the first step of length 1."""
    poses = cameras.camera_from_world.double()
    from_first = torch.linalg.inv(poses[0] @ torch.linalg.inv(poses))
    rotations = from_first[:, :3, :3].numpy()
    centres = torch.linalg.inv(from_first)[:, :3, 3].numpy()
    return rotations, centres / np.linalg.norm(centres[-1])


def test_colmap_points_fall_on_their_keypoints(captures):
    views = train_views(captures / "vase", layout="colmap")
    model = pycolmap.Reconstruction(captures / "vase" / "sparse" / "0")
    camera = model.cameras[1]
    K = camera.calibration_matrix()
    errors = []
    for image in model.images.values():
        index = views.names.index(image.name)
        seen = [point for point in image.points2D if point.has_point3D()]
        points = np.array([model.points3D[point.point3D_id].xyz for point in seen])
        # Where the pinhole camera should have them, from the keypoints alone.
        rays = cv2.undistortPoints(np.array([[point.xy] for point in seen]), K, camera.params[4:]).reshape(
            -1, 2
        )
        K_fitted = views.cameras.Ks[index].double().numpy()
        keypoints = rays @ K_fitted[:2, :2].T + K_fitted[:2, 2]
        pose = views.cameras.camera_from_world[index].double().numpy()
        in_camera = points @ pose[:3, :3].T + pose[:3, 3]
        assert (in_camera[:, 2] > 0).all()
        projected = in_camera @ K_fitted.T
        errors.append(np.linalg.norm(projected[:, :2] / projected[:, 2:] - keypoints, axis=1))
    # COLMAP states 0.837 pixels of the whole photo.
    scale = views.cameras.Ks[0, 0, 0].item() / K[0, 0]
    assert np.concatenate(errors).mean() == pytest.approx(0.837 * scale, rel=0.05)


def test_colmap_and_nerfstudio_agree_on_the_vase(captures):
    colmap = train_views(captures / "vase", layout="colmap")
    nerfstudio = train_views(captures / "vase")
    assert colmap.names == nerfstudio.names
    assert torch.allclose(colmap.cameras.Ks, nerfstudio.cameras.Ks, rtol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(colmap.images, nerfstudio.images, strict=True))
    for ours, theirs in zip(relative_poses(colmap.cameras), relative_poses(nerfstudio.cameras), strict=True):
        assert np.abs(ours - theirs).max() < 1e-4


def test_the_fox_is_undistorted_without_a_border(captures):
    views = train_views(captures / "fox", only=("0001", "0002"))
    plain = read_photo(captures / "fox" / "images" / "0001.jpg", 512).image
    assert views.masks == (None, None) and views.sizes[0] == (288, 512)
    difference = (views.images[0] - plain).abs()
    assert 0.002 < difference.mean() < 0.05  # another picture, of the same thing


def test_flower_follows_the_protocol(captures):
    scene = load(DataConfig(captures / "llff" / "flower", views=3))
    assert scene.train.names == ("image001.png", "image017.png", "image033.png")
    assert scene.test.names == tuple(f"image{i:03d}.png" for i in (0, 8, 16, 24, 32))
    assert scene.train.sizes == ((504, 378),) * 3
    raw = cv2.cvtColor(cv2.imread(str(scene.train.paths[0])), cv2.COLOR_BGR2RGB)
    assert np.array_equal((scene.train.images[0].numpy() * 255).round(), raw)
    assert isinstance(scene.train, Views)
    assert scene.train.cameras.Ks[0, 0, 0].item() == pytest.approx(3575.0586 / 8, rel=1e-5)


def test_the_cameras_of_flower_agree_with_its_pictures(captures):
    """Matches between two photos obey the epipolar geometry of their cameras."""
    views = train_views(captures / "llff" / "flower", only=("image001", "image017"))
    found = []
    for image in views.images:
        found.append(cv2.SIFT_create(2000).detectAndCompute((image.numpy() * 255).astype(np.uint8), None))
    matches = cv2.BFMatcher(crossCheck=True).match(found[0][1], found[1][1])
    pixels = [
        np.array([[*found[side][0][i].pt, 1.0] for i in indices]) + (0.5, 0.5, 0.0)
        for side, indices in ((0, [m.queryIdx for m in matches]), (1, [m.trainIdx for m in matches]))
    ]
    K_inverse = np.linalg.inv(views.cameras.Ks.double().numpy())
    poses = views.cameras.camera_from_world.double().numpy()
    second_from_first = poses[1] @ np.linalg.inv(poses[0])
    x, y, z = second_from_first[:3, 3]
    essential = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ second_from_first[:3, :3]
    lines = pixels[0] @ (K_inverse[1].T @ essential @ K_inverse[0]).T
    distance = np.abs((lines * pixels[1]).sum(axis=1)) / np.linalg.norm(lines[:, :2], axis=1)
    assert (distance < 1.5).mean() > 0.6  # wrong axes leave about 1 in 40


@pytest.mark.parametrize(("which", "sixth"), [("dietnerf", "75"), ("3dgs", "76")])
def test_the_chair_has_eight_and_twenty_five_views(captures, which, sixth):
    scene = load(DataConfig(captures / "blender" / "chair", views=8, blender_views=which))
    assert len(scene.test) == 25 and scene.train.names[5] == f"train/r_{sixth}.png"
    assert scene.train.images[0][0, 0].tolist() == [1, 1, 1]
    assert isinstance(scene.train, Views)
    # The chair stands at the origin of its world: every camera sees it at the centre of its picture.
    origins = scene.train.cameras.camera_from_world[:, :3, 3]
    assert (origins[:, :2].abs().max() < 1e-3) and (origins[:, 2] > 3).all()


def test_photos_of_many_cameras_are_read_without_cameras(captures):
    train = load(DataConfig(captures / "sacre_coeur" / "mapping")).train
    assert len(train) == 10 and len(set(train.sizes)) > 5 and not isinstance(train, Views)
    assert all(max(size) == 512 for size in train.sizes)
