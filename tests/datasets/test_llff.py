from pathlib import Path

import numpy as np
import pytest
import torch

from recon.datasets import DataConfig, load
from recon.errors import InputError
from recon.scene import Views


@pytest.fixture
def llff(tmp_path: Path, save_photo) -> Path:
    """Ten photos of 64x48, cameras stated at 512x384: photo i at x = i, in OpenCV axes."""
    down, right, backward = (0, 1, 0), (1, 0, 0), (0, 0, -1)
    rows = []
    for i in range(10):
        save_photo(tmp_path / "images_8" / f"{i:03d}.png", i)
        columns = np.array([down, right, backward, (i, 0, 0), (384, 512, 500)], dtype=np.float64)
        rows.append([*columns.T.ravel(), 1.0, 9.0])
    np.save(tmp_path / "poses_bounds.npy", np.array(rows))
    return tmp_path


def train_views(folder: Path, **wishes: object) -> Views:
    views = load(DataConfig(folder, **wishes)).train
    assert isinstance(views, Views)
    return views


def test_columns_are_down_right_backward(llff):
    cameras = train_views(llff).cameras
    assert torch.equal(cameras.camera_from_world[0], torch.eye(4))
    assert cameras.centres.tolist() == [[float(i), 0, 0] for i in range(10)]


def test_intrinsics_follow_the_reduction(llff):
    K = train_views(llff).cameras.Ks[0]
    assert torch.equal(K, torch.tensor([[62.5, 0, 32], [0, 62.5, 24], [0, 0, 1]]))


def test_photos_are_not_resampled(llff, pixels):
    assert np.array_equal((train_views(llff).images[3].numpy() * 255).round(), pixels(3))


def test_the_protocol_holds_out_every_eighth_when_views_are_asked_for(llff):
    scene = load(DataConfig(llff, views=3))
    assert scene.test.names == ("000.png", "008.png")
    assert scene.train.names == ("001.png", "005.png", "009.png")  # positions 0, 3.5 -> 4, 7 of 1-7 and 9
    assert len(load(DataConfig(llff)).test) == 0


def test_another_reduction_is_read_when_asked_for(llff, save_photo):
    for i in range(10):
        save_photo(llff / "images" / f"{i:03d}.png", i, width=512, height=384)
    assert train_views(llff, llff_factor=1, max_size=4000).cameras.Ks[0, 0, 0] == 500
    with pytest.raises(
        InputError, match=r"images_4 does not exist \(there: images, images_8\); set llff_factor"
    ):
        load(DataConfig(llff, llff_factor=4))


def spoil(folder: Path, row: int, column: int, value: float) -> None:
    rows = np.load(folder / "poses_bounds.npy")
    rows[row, column] = value
    np.save(folder / "poses_bounds.npy", rows)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (0, np.nan, "camera of 002.png in .*poses_bounds.npy holds nan"),
        (1, -1.0, "is a mirror image"),
        (0, 0.3, "is not a rotation and a translation"),
        (14, 0.0, "has focal lengths 0, 0"),
        (14, np.nan, "has nan among its intrinsics"),
        (4, np.nan, "has nan among its intrinsics"),
        (9, 300.0, "002.png is 64 x 48 pixels but its camera in .* 300 x 384"),
    ],
)
def test_impossible_cameras_are_refused(llff, column, value, message):
    spoil(llff, 2, column, value)
    with pytest.raises(InputError, match=message):
        load(DataConfig(llff))


def test_a_photo_without_a_camera_is_refused(llff, save_photo):
    save_photo(llff / "images_8" / "010.png", 10)
    with pytest.raises(InputError, match="holds 10 cameras but .*images_8 11 photos"):
        load(DataConfig(llff))


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00\x02\x00{}"])
def test_a_damaged_camera_file_is_refused(llff, content):
    (llff / "poses_bounds.npy").write_bytes(content)
    with pytest.raises(InputError, match="poses_bounds.npy is not a NumPy array"):
        load(DataConfig(llff))


def test_a_camera_beyond_single_precision_is_refused(llff):
    rows = np.load(llff / "poses_bounds.npy")
    rows[1, 3] = 1e30
    np.save(llff / "poses_bounds.npy", rows)
    with pytest.raises(InputError, match="holds 1e.30, which is too large"):
        load(DataConfig(llff))


@pytest.mark.parametrize("count", [b"999999999", b"11"])
def test_a_count_that_the_file_does_not_hold_is_refused(llff, count):
    source = llff / "poses_bounds.npy"
    source.write_bytes(source.read_bytes().replace(b"(10, 17), }", b"(" + count + b", 17), }"))
    with pytest.raises(InputError, match="1360 bytes of numbers where its header promises"):
        load(DataConfig(llff))


def test_a_camera_file_of_another_shape_is_refused(llff):
    np.save(llff / "poses_bounds.npy", np.zeros((10, 12)))
    with pytest.raises(InputError, match="is not a NumPy array of 17 numbers a photo"):
        load(DataConfig(llff))
