"""DTU's and SpaRe's layout: numbers from 0 and from 1, projection matrices, masks in odd places."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recon.datasets import DataConfig, load
from recon.datasets.dtu import photo_name, read_mask
from recon.datasets.projection import calibration_for, decompose, read_matrix
from recon.datasets.splits import DTU_TEST
from recon.errors import InputError
from recon.scene import Scene, Views

K = np.array([[2892.0, 0, 823.0], [0, 2883.0, 619.0], [0, 0, 1.0]])
"""Of the full 1600 x 1200 pixels."""


def camera_from_world(number: int) -> np.ndarray:
    """Turned by 0.02 a number about y, centre at x = `number` mm, z = -600."""
    angle = 0.02 * number
    rotation = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    return np.concatenate([rotation, -rotation @ [[float(number)], [0], [-600]]], axis=1)


def write_matrices(folder: Path, count: int = 49) -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        np.savetxt(folder / f"pos_{i + 1:03d}.txt", -0.5 * K @ camera_from_world(i))
    return folder


def save_mask(path: Path, number: int) -> None:
    """White columns from `number` on, at full size."""
    pixels = np.zeros((48, 64), np.uint8)
    pixels[:, number:] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def scan(tmp_path: Path, save_photo) -> Path:
    """All 49 views of a scan at 64 x 48, and its calibration."""
    write_matrices(tmp_path / "Calibration" / "cal18")
    for i in range(49):
        save_photo(tmp_path / "Rectified" / "scan40" / photo_name(i, "DTU"), i)
        save_photo(tmp_path / "Rectified" / "scan40" / f"rect_{i + 1:03d}_6_r5000.png", i + 100)
    return tmp_path / "Rectified" / "scan40"


@pytest.fixture
def spare(tmp_path: Path, save_photo) -> Path:
    """Nine views of a SpaRe scene."""
    write_matrices(tmp_path / "synth_calibration", 9)
    for i in range(9):
        save_photo(tmp_path / "Jug" / photo_name(i, "Synthetic"), i)
    return tmp_path / "Jug"


def with_cameras(scene: Scene) -> tuple[Views, Views]:
    assert isinstance(scene.train, Views) and isinstance(scene.test, Views)
    return scene.train, scene.test


def test_views_count_from_0_and_files_from_1(scan, pixels):
    train, test = with_cameras(load(DataConfig(scan, views=3)))
    assert train.names == ("rect_023_3_r5000.png", "rect_026_3_r5000.png", "rect_029_3_r5000.png")
    assert test.names == tuple(photo_name(i, "DTU") for i in DTU_TEST)
    assert np.array_equal((train.images[0].numpy() * 255).round(), pixels(22))


def test_a_matrix_gives_pose_and_lens_in_pixels_of_the_photo(scan):
    train, _ = with_cameras(load(DataConfig(scan, views=3)))
    for position, number in enumerate((22, 25, 28)):
        expected = np.concatenate([camera_from_world(number), [[0, 0, 0, 1]]])
        assert np.allclose(train.cameras.camera_from_world[position], expected, atol=1e-3)
        assert np.allclose(train.cameras.Ks[position], np.diag([0.04, 0.04, 1]) @ K, atol=1e-3)


@pytest.mark.parametrize("factor", [1.0, -1.0, 2e-3, -500.0])
def test_a_matrix_is_known_up_to_a_factor_of_any_sign(factor):
    P = K @ camera_from_world(7)
    pose, lens = decompose(factor * P, Path("pos.txt"))
    assert np.allclose(lens.K, K, atol=1e-6)
    assert np.allclose(np.linalg.inv(pose)[:3], camera_from_world(7), atol=1e-6)


def test_a_point_projects_where_the_matrix_says(scan):
    train, _ = with_cameras(load(DataConfig(scan, views=3)))
    point = np.array([10.0, -20.0, 50.0, 1.0])
    by_matrix = read_matrix(scan.parents[1] / "Calibration" / "cal18" / "pos_029.txt") @ point
    pixel = (
        train.cameras.Ks[2].double() @ (train.cameras.camera_from_world[2].double() @ torch.tensor(point))[:3]
    )
    assert np.allclose(pixel[:2] / pixel[2], by_matrix[:2] / by_matrix[2] * 0.04, atol=1e-3)


def test_listed_views_are_numbers_not_positions(spare):
    (spare / photo_name(0, "Synthetic")).unlink()
    train, test = with_cameras(load(DataConfig(spare, train_ids=(1, 4, 7), test_ids=(2, 8))))
    assert train.names == ("cam_002_3_0000.png", "cam_005_3_0000.png", "cam_008_3_0000.png")
    assert test.names == ("cam_003_3_0000.png", "cam_009_3_0000.png")
    assert np.allclose(train.cameras.centres[:, 0], [1, 4, 7], atol=1e-3)


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"train_ids": (1, 2, 49)}, "has no photo 49, counted from 0"),
        ({"train_ids": (1, 2), "test_ids": (2, 3)}, "name 2 more than once"),
        ({"test_ids": (2, 3)}, "name nothing to fit"),
    ],
)
def test_impossible_lists_are_refused(scan, wishes, message):
    with pytest.raises(InputError, match=message):
        load(DataConfig(scan, **wishes))


@pytest.mark.parametrize("place", ["idrmasks/scan40", "idrmasks/scan40/mask", "masks/scan40"])
def test_masks_count_from_0_and_lie_in_the_folders_that_idr_left(scan, place):
    for i in DTU_TEST:
        save_mask(scan.parents[1] / place / f"{i:03d}.png", i)
    train, test = with_cameras(load(DataConfig(scan, views=3, max_size=32)))
    assert train.masks == (None, None, None)
    for number, mask in zip(DTU_TEST, test.masks, strict=True):
        assert mask is not None and mask.shape == (24, 32)
        first = (number + 1) // 2  # nearest: every second column
        assert not mask[:, :first].any() and mask[:, first:].all()


def test_grey_is_not_the_object_and_no_file_is_no_mask(scan):
    folder = scan.parents[1] / "masks" / "scan40"
    folder.mkdir(parents=True)
    Image.fromarray(np.full((48, 64), 254, np.uint8)).save(folder / "009.png")
    mask = read_mask(scan, 9, (64, 48))
    assert mask is not None and not mask.any()
    assert read_mask(scan, 10, (64, 48)) is None


def test_a_mask_of_another_shape_is_refused(scan):
    path = scan.parents[1] / "masks" / "scan40" / "009.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(np.full((48, 48), 255, np.uint8)).save(path)
    with pytest.raises(InputError, match="The mask .*009.png is 48 x 48 pixels but its photo 64 x 48"):
        load(DataConfig(scan, views=3))


def test_cameras_of_blenders_format_serve_where_there_are_no_matrices(spare):
    frames = [
        {
            "file_path": f"cam_{i + 1:03d}",
            "transform_matrix": (
                np.linalg.inv(np.vstack([camera_from_world(i), [0, 0, 0, 1]])) * [1, -1, -1, 1]
            ).tolist(),
        }
        for i in range(9)
    ]
    by_matrix, _ = with_cameras(load(DataConfig(spare, train_ids=(0, 4, 8))))
    for path in (spare.parent / "synth_calibration").glob("pos_*.txt"):
        path.unlink()
    content = {"camera_angle_x": float(2 * np.arctan(800 / K[0, 0])), "frames": frames}
    (spare.parent / "synth_calibration" / "cameras.json").write_text(json.dumps(content))
    by_frames, _ = with_cameras(load(DataConfig(spare, train_ids=(0, 4, 8))))
    poses = by_frames.cameras.camera_from_world, by_matrix.cameras.camera_from_world
    assert torch.allclose(*poses, atol=1e-3)
    assert torch.allclose(by_frames.cameras.Ks[:, 0, 0], by_matrix.cameras.Ks[:, 0, 0], atol=1e-3)


@pytest.mark.parametrize("content", ["", "1 2 3", "a b c d\n" * 3, "nan 0 0 0\n" * 3, "0 0 0 1\n" * 3])
def test_a_damaged_matrix_is_refused(scan, content):
    path = scan.parents[1] / "Calibration" / "cal18" / "pos_023.txt"
    path.write_text(content)
    with pytest.raises(InputError, match="pos_023.txt is not"):
        load(DataConfig(scan, views=3))


def test_missing_or_ambiguous_cameras_are_named(spare):
    (spare.parent / "synth_calibration" / "pos_003.txt").unlink()
    with pytest.raises(InputError, match="pos_003.txt does not exist"):
        load(DataConfig(spare))
    write_matrices(spare.parent / "synth_calibration" / "other")
    with pytest.raises(InputError, match="holds cameras in .* and .*other"):
        calibration_for(spare, is_dtu=False)
    with pytest.raises(InputError, match="No cameras for .*Jug.*Calibration/cal18 above it"):
        calibration_for(spare, is_dtu=True)


def test_real_scans_are_read(captures):
    data = captures / "dtu"
    train, test = with_cameras(load(DataConfig(data / "Rectified_4" / "scan24", views=9, max_size=400)))
    assert (len(train), len(test)) == (9, 25)
    assert set(test.sizes) == {(400, 300)}
    assert all(mask is not None and 0.2 < mask.float().mean() < 0.9 for mask in test.masks)
    full, _ = with_cameras(
        load(DataConfig(data / "Rectified" / "scan24", train_ids=(22, 25, 28), max_size=400))
    )
    reduced = train.select([train.names.index(name) for name in full.names])
    assert torch.allclose(full.cameras.Ks, reduced.cameras.Ks)
    for one, other in zip(full.images, reduced.images, strict=True):
        assert (one - other).abs().mean() < 1 / 255
