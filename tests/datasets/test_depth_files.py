"""Depth maps beside the photos: found, read, brought to the photo's size, refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import save_posed_scene
from PIL import Image

from recon import datasets
from recon.datasets import DataConfig
from recon.datasets.depth_files import at_size, find_depths, read_depth, undistorted_depth
from recon.errors import InputError
from recon.lens import Lens


def slope(width: int = 64, height: int = 48) -> np.ndarray:
    """Metres that grow to the right."""
    return np.tile(np.linspace(1.0, 2.0, width, dtype=np.float32), (height, 1))


def save_map(path: Path, metres: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, metres)
    else:
        Image.fromarray(np.rint(metres * 1000).astype(np.uint16)).save(path)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.npy"])
def test_both_kinds_of_files_hold_metres(tmp_path, name):
    metres = slope()
    metres[3, 4] = 0
    read = read_depth(save_map(tmp_path / name, metres))
    assert read.dtype == np.float32 and np.allclose(read, metres, atol=6e-4) and read[3, 4] == 0


def test_what_a_sensor_did_not_see_is_zero(tmp_path):
    metres = slope()
    metres[0, :3] = np.nan, np.inf, -1
    assert (read_depth(save_map(tmp_path / "a.npy", metres))[0, :3] == 0).all()


@pytest.mark.parametrize("home", ["photos/depth", "depth"])
def test_maps_are_found_in_a_folder_inside_or_beside_that_of_the_photos(photo_folder, home):
    save_map(photo_folder.parent / home / "a.png", slope())
    save_map(photo_folder.parent / home / "b.png.npy", slope(32, 24))
    scene = datasets.load(DataConfig(photo_folder, max_size=32, test_every=4))
    assert scene.train.names == ("b.png", "c.png", "d.png")
    assert scene.test.depths == ()
    depth, *others = scene.train.depths
    assert depth is not None and depth.shape == (24, 32) and others == [None, None]
    assert np.allclose(depth, slope(32, 24), atol=1e-3)


def test_a_folder_may_be_named_and_maps_may_be_left_alone(photo_folder, tmp_path):
    save_map(photo_folder / "depth" / "a.png", slope())
    other = save_map(tmp_path / "lidar" / "a.png", 2 * slope()).parent
    depths = datasets.load(DataConfig(photo_folder, sensor_depth=other)).train.depths
    assert depths[0] is not None and float(depths[0].max()) == pytest.approx(4, abs=0.01)
    assert datasets.load(DataConfig(photo_folder, sensor_depth="none")).train.depths == ()
    with pytest.raises(InputError, match="no map named as a photo"):
        find_depths([photo_folder / "a.png"], tmp_path)


def test_nerfstudio_says_where_the_maps_are(tmp_path):
    folder = save_posed_scene(tmp_path / "scene")
    source = folder / "transforms.json"
    content = json.loads(source.read_text())
    content["frames"][1]["depth_file_path"] = "lidar/frame_1.png"
    source.write_text(json.dumps(content))
    save_map(folder / "lidar" / "frame_1.png", slope(24, 18))
    first, second, third = datasets.load(DataConfig(folder)).train.depths
    assert first is None and third is None and second is not None and second.shape == (36, 48)
    assert datasets.load(DataConfig(folder, sensor_depth="none")).train.depths == ()
    content["frames"][1]["depth_file_path"] = "../outside.png"
    source.write_text(json.dumps(content))
    with pytest.raises(InputError, match="outside"):
        datasets.load(DataConfig(folder))


def test_no_depth_is_made_up_across_an_edge_or_around_a_hole():
    metres = np.full((20, 30), 1.0, np.float32)
    metres[:, 15:] = 4.0
    metres[8:12, 4:8] = 0
    large = at_size(metres, (120, 80))
    assert set(np.unique(large.round(4))) == {0.0, 1.0, 4.0}
    assert (large[:, 56:64] == 0).all() and (large[32:48, 16:32] == 0).all()
    assert (large[:, :12] == 1).all() and (large[:, 70:] == 4).all()


def test_a_map_is_straightened_with_its_photo():
    lens = Lens(
        (64, 48), np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]]), "perspective", (-0.2, 0.0, 0.0, 0.0)
    )
    ramp = np.tile(np.linspace(1, 2, 64, dtype=np.float32), (48, 1))
    straight = undistorted_depth(ramp, lens)
    assert straight[24, 32] == pytest.approx(ramp[24, 32], abs=0.01)
    assert not np.allclose(straight, ramp, atol=0.01)


REFUSED = {
    "eight bits": lambda path: Image.new("L", (64, 48), 9).save(path.with_suffix(".png")),
    "colours": lambda path: Image.new("RGB", (64, 48)).save(path.with_suffix(".png")),
    "no picture": lambda path: path.with_suffix(".png").write_bytes(b"depth"),
    "cut off": lambda path: path.with_suffix(".png").write_bytes(
        save_map(path.with_name("whole.png"), slope()).read_bytes()[:90]
    ),
    "another shape": lambda path: save_map(path.with_suffix(".png"), slope(48, 48)),
    "turned": lambda path: save_map(path.with_suffix(".npy"), slope(48, 64)),
    "whole numbers": lambda path: np.save(path.with_suffix(".npy"), np.ones((48, 64), np.uint16)),
    "three dimensions": lambda path: np.save(path.with_suffix(".npy"), np.ones((48, 64, 3))),
    "objects": lambda path: np.save(path.with_suffix(".npy"), np.array([{}]), allow_pickle=True),
    "no array": lambda path: path.with_suffix(".npy").write_bytes(b"\x93NUMPY"),
    "empty": lambda path: np.save(path.with_suffix(".npy"), np.ones((0, 4))),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_other_files_are_refused_in_a_sentence(photo_folder, fault):
    (photo_folder / "depth").mkdir()
    REFUSED[fault](photo_folder / "depth" / "a")
    with pytest.raises(InputError) as refused:
        datasets.load(DataConfig(photo_folder))
    assert "a." in str(refused.value) and str(refused.value).endswith(".")
