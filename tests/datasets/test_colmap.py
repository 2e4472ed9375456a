from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch

from recon.datasets import DataConfig, load
from recon.errors import InputError
from recon.scene import Views

OPENCV_PARAMETERS = [60.0, 61.0, 31.0, 25.0, 0.1, 0.02, 0.001, 0.0]


def write_model(
    folder: Path, binary: bool, model: str = "PINHOLE", params: list[float] | None = None
) -> None:
    """A model of photos a.png, b.png and c.png of 64x48; the camera of b.png stands at (2, 0, -5)."""
    folder.mkdir(parents=True)
    camera = pycolmap.Camera(
        model=model, width=64, height=48, params=params or [60.0, 61.0, 31.0, 25.0], camera_id=1
    )
    reconstruction = pycolmap.Reconstruction()
    reconstruction.add_camera_with_trivial_rig(camera)
    for i, name in enumerate(("a.png", "c.png", "b.png")):
        image = pycolmap.Image(name=name, camera_id=1, image_id=i + 1)
        pose = pycolmap.Rigid3d(pycolmap.Rotation3d(), np.array([-float(i), 0, 5]))
        reconstruction.add_image_with_trivial_frame(image, pose)
    reconstruction.write_binary(folder) if binary else reconstruction.write_text(folder)


@pytest.fixture
def photos(tmp_path: Path, save_photo) -> Path:
    for seed, name in enumerate("abc"):
        save_photo(tmp_path / "images" / f"{name}.png", seed)
    return tmp_path


@pytest.mark.parametrize("place", ["sparse/0", "sparse", "."])
@pytest.mark.parametrize("binary", [True, False])
def test_binary_and_text_models_are_read_wherever_they_lie(photos, tmp_path, place, binary):
    write_model(tmp_path / "model", binary)
    for file in (tmp_path / "model").iterdir():
        (photos / place).mkdir(parents=True, exist_ok=True)
        file.rename(photos / place / file.name)
    views = load(DataConfig(photos)).train
    assert isinstance(views, Views)
    assert views.names == ("a.png", "b.png", "c.png")
    assert torch.allclose(views.cameras.centres[1], torch.tensor([2.0, 0, -5]))
    assert torch.equal(views.cameras.Ks[0], torch.tensor([[60.0, 0, 31], [0, 61, 25], [0, 0, 1]]))


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("SIMPLE_PINHOLE", [60.0, 31.0, 25.0]),
        ("SIMPLE_RADIAL", [60.0, 31.0, 25.0, 0.1]),
        ("RADIAL", [60.0, 31.0, 25.0, 0.1, 0.02]),
        ("OPENCV", OPENCV_PARAMETERS),
        ("FULL_OPENCV", [*OPENCV_PARAMETERS, 0.01, 0.002, 0.001, 0.003]),
        ("SIMPLE_RADIAL_FISHEYE", [60.0, 31.0, 25.0, 0.1]),
        ("RADIAL_FISHEYE", [60.0, 31.0, 25.0, 0.1, 0.02]),
        ("OPENCV_FISHEYE", [60.0, 61.0, 31.0, 25.0, 0.1, 0.02, 0.01, 0.005]),
    ],
)
def test_our_lens_sees_what_colmaps_camera_sees(photos, monkeypatch, model, params):
    from recon.datasets import posed
    from recon.datasets.undistort import distort

    write_model(photos / "sparse" / "0", True, model, params)
    lenses = []
    check = posed._check_lens
    monkeypatch.setattr(posed, "_check_lens", lambda shot: (lenses.append(shot.lens), check(shot)))
    load(DataConfig(photos))
    rays = np.array([[0.0, 0, 1], [0.3, -0.2, 1], [-0.25, 0.3, 1], [0.1, 0.35, 1]])
    camera = pycolmap.Camera(model=model, width=64, height=48, params=params)
    assert np.abs(distort(rays, lenses[0]) - camera.img_from_cam(rays)).max() < 1e-6


def test_a_lens_that_cannot_be_undone_is_refused(photos):
    write_model(photos / "sparse" / "0", True, "FOV", [60.0, 60.0, 31.0, 25.0, 0.5])
    with pytest.raises(InputError, match="camera of model FOV, .* run `colmap image_undistorter` first"):
        load(DataConfig(photos))


def test_an_incomplete_model_is_refused(photos):
    write_model(photos / "sparse" / "0", True)
    (photos / "sparse" / "0" / "images.bin").unlink()
    with pytest.raises(InputError, match="images.bin does not exist"):
        load(DataConfig(photos))


@pytest.mark.parametrize("name", ["points3D.bin", "rigs.bin", "frames.bin"])
def test_what_is_not_needed_of_a_model_is_not_opened(photos, name):
    write_model(photos / "sparse" / "0", True)
    (photos / "sparse" / "0" / name).write_bytes(b"\xff" * 80)  # pycolmap allocates what they promise
    assert len(load(DataConfig(photos)).train) == 3


def test_a_forged_number_of_keypoints_is_refused_before_it_is_believed(photos):
    write_model(photos / "sparse" / "0", True)
    images = photos / "sparse" / "0" / "images.bin"
    images.write_bytes(images.read_bytes()[:-8] + b"\xff" * 7 + b"\x00")
    with pytest.raises(InputError, match="is not a complete COLMAP model .* bytes are promised"):
        load(DataConfig(photos))


def test_poses_of_a_model_are_those_that_colmap_reads(photos):
    """Turned cameras, by both readers."""
    reconstruction = pycolmap.Reconstruction()
    reconstruction.add_camera_with_trivial_rig(
        pycolmap.Camera(model="PINHOLE", width=64, height=48, params=[60.0, 61, 31, 25], camera_id=1)
    )
    for i, quaternion in enumerate(np.random.default_rng(0).normal(size=(3, 4))):
        pose = pycolmap.Rigid3d(
            pycolmap.Rotation3d(quaternion / np.linalg.norm(quaternion)), np.arange(3.0) + i
        )
        image = pycolmap.Image(name=f"{'abc'[i]}.png", camera_id=1, image_id=i + 1)
        reconstruction.add_image_with_trivial_frame(image, pose)
    (photos / "sparse" / "0").mkdir(parents=True)
    reconstruction.write_binary(photos / "sparse" / "0")
    views = load(DataConfig(photos)).train
    assert isinstance(views, Views)
    for image in reconstruction.images.values():
        found = views.cameras.camera_from_world[views.names.index(image.name), :3]
        assert np.abs(found.numpy() - image.cam_from_world().matrix()).max() < 1e-6


@pytest.mark.parametrize("kept", [0, 20, 50])
def test_a_cut_off_camera_is_refused(photos, kept):
    write_model(photos / "sparse" / "0", True)
    cameras = photos / "sparse" / "0" / "cameras.bin"
    cameras.write_bytes(cameras.read_bytes()[:kept])  # COLMAP itself reads on past the end
    with pytest.raises(InputError):
        load(DataConfig(photos))


def test_a_folder_without_a_model_is_refused(photos):
    with pytest.raises(InputError, match="holds no COLMAP model; put cameras.bin"):
        load(DataConfig(photos, layout="colmap"))


def test_a_photo_outside_the_folder_is_refused(photos):
    write_model(photos / "sparse" / "0", False)
    text = photos / "sparse" / "0" / "images.txt"
    text.write_text(text.read_text().replace("a.png", "../../a.png"))
    with pytest.raises(InputError, match="lies outside"):
        load(DataConfig(photos))
