import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from recon.datasets import DataConfig, load
from recon.errors import InputError
from recon.scene import Views

LOOKING_AT_ORIGIN = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 5], [0, 0, 0, 1]]
"""OpenGL: 5 units back along +z, looking along -z with y up."""


@pytest.fixture
def transforms(tmp_path: Path, save_photo) -> dict[str, Any]:
    """A data set of three 64x48 photos in name order c, a, b; `write` it after a change."""
    frames = []
    for seed, name in enumerate("cab"):
        save_photo(tmp_path / "images" / f"{name}.png", seed)
        pose = [row[:] for row in LOOKING_AT_ORIGIN]
        pose[0][3] = float(seed)
        frames.append({"file_path": f"./images/{name}.png", "transform_matrix": pose})
    intrinsics = {"fl_x": 60.0, "fl_y": 61.0, "cx": 31.0, "cy": 25.0, "w": 64.0, "h": 48}
    return {"camera_model": "OPENCV", **intrinsics, "frames": frames}


def read(folder: Path, content: Any, **wishes: Any) -> Views:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "transforms.json").write_text(text)
    views = load(DataConfig(folder, **wishes)).train
    assert isinstance(views, Views)
    return views


def test_frames_come_in_name_order_with_their_own_poses(tmp_path, transforms):
    views = read(tmp_path, transforms)
    assert views.names == ("a.png", "b.png", "c.png")
    assert views.cameras.centres[:, 0].tolist() == [1.0, 2.0, 0.0]


def test_opengl_axes_become_opencv_axes(tmp_path, transforms):
    cameras = read(tmp_path, transforms).cameras
    point = torch.tensor([0.5, 0.25, 1.0, 1.0])  # right, up, and 4 in front of the camera of c.png
    x, y, z, _ = cameras.camera_from_world[2] @ point
    assert (x.item(), y.item(), z.item()) == pytest.approx((0.5, -0.25, 4.0))


def test_intrinsics_follow_the_fitted_size(tmp_path, transforms):
    K = read(tmp_path, transforms, max_size=32).cameras.Ks[0]
    assert torch.allclose(K, torch.tensor([[30.0, 0, 15.5], [0, 30.5, 12.5], [0, 0, 1]]))


def test_a_frames_own_intrinsics_go_first(tmp_path, transforms):
    transforms["frames"][0] |= {"fl_x": 99.0}
    assert read(tmp_path, transforms).cameras.Ks[:, 0, 0].tolist() == [60.0, 60.0, 99.0]


def test_a_field_of_view_and_the_photo_say_the_rest(tmp_path, transforms):
    for key in ("fl_x", "fl_y", "cx", "cy", "w", "h"):
        del transforms[key]
    K = read(tmp_path, transforms | {"camera_angle_x": math.pi / 2}).cameras.Ks[0]
    assert torch.allclose(K, torch.tensor([[32.0, 0, 32], [0, 32, 24], [0, 0, 1]]))


@pytest.mark.parametrize(
    "lens", [{"k1": 0.1}, {"camera_model": "OPENCV_FISHEYE", "k1": 0.1}, {"is_fisheye": True}]
)
def test_distortion_is_undone(tmp_path, transforms, lens):
    plain = read(tmp_path, transforms)
    undone = read(tmp_path, transforms | lens)
    assert undone.sizes == plain.sizes
    assert undone.cameras.Ks[0, 0, 0] != plain.cameras.Ks[0, 0, 0]
    assert not torch.equal(undone.images[0], plain.images[0])


def test_distortion_of_a_pinhole_model_is_none(tmp_path, transforms):
    views = read(tmp_path, transforms | {"camera_model": "PINHOLE", "k1": 0.0})
    assert torch.equal(views.images[0], read(tmp_path, transforms).images[0])


def test_a_named_mask_is_laid_over_its_photo(tmp_path, transforms):
    white = Image.new("L", (64, 48), 255)
    white.paste(0, (0, 0, 64, 24))
    white.save(tmp_path / "m.png")
    transforms["frames"][0]["mask_path"] = "m.png"
    masks = read(tmp_path, transforms).masks
    assert masks[0] is None and masks[2] is not None and masks[2].sum() == 24 * 64


def test_a_photo_reduced_since_the_solving_is_accepted(tmp_path, transforms):
    views = read(tmp_path, transforms | {"w": 128, "h": 96, "fl_x": 120.0, "fl_y": 122.0, "cx": 62, "cy": 50})
    assert torch.allclose(views.cameras.Ks[0], torch.tensor([[60.0, 0, 31], [0, 61, 25], [0, 0, 1]]))


def spoil_pose(row: int, column: int, value: float) -> dict[str, Any]:
    pose = [[float(number) for number in line] for line in LOOKING_AT_ORIGIN]
    pose[row][column] = value
    return {"transform_matrix": pose}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            spoil_pose(0, 3, math.nan),
            "camera of c.png in .*transforms.json holds nan; solve the cameras again",
        ),
        (spoil_pose(1, 3, math.inf), "camera of c.png in .*transforms.json holds inf"),
        (spoil_pose(0, 0, -1.0), "camera of c.png .* is a mirror image"),
        (spoil_pose(0, 0, 1.01), r"is not a rotation and a translation \(off by 0.02\); remove scale"),
        (spoil_pose(0, 1, 0.2), "is not a rotation and a translation"),
        (spoil_pose(3, 0, 0.5), "is not a rotation and a translation"),
        (
            {"transform_matrix": [[1, 2], [3, 4]]},
            r'"transform_matrix" of ./images/c.png .* shape \(2, 2\); give a 4 x 4',
        ),
        ({"transform_matrix": [["a"]]}, "is not numbers; give a 4 x 4 matrix"),
        ({"transform_matrix": None}, r"has shape \(\); give a 4 x 4 matrix"),
        ({"fl_x": 0}, "camera of c.png .* has focal lengths 0, 61 for 64 x 48 pixels; all must be above 0"),
        ({"fl_x": -60}, "has focal lengths -60, 61"),
        ({"fl_x": math.nan}, "has nan among its intrinsics"),
        ({"w": math.nan}, "for 0 x 48 pixels; all must be above 0"),
        ({"cx": 640.0}, "has its principal point at 640, 25, outside its 64 x 48 pixels"),
        ({"k1": math.inf}, "has inf among its intrinsics"),
        ({"k4": 0.1}, "k4 = 0.1 for a camera of model OPENCV, which knows none; set it to 0"),
        ({"fl_x": "60"}, "gives ./images/c.png '60' for \"fl_x\"; give a number"),
        (
            {"camera_model": "EQUIRECTANGULAR"},
            "model EQUIRECTANGULAR, which is not read; use one of PINHOLE, SIMPLE",
        ),
        ({"w": 48, "h": 64}, "c.png is 64 x 48 pixels but its camera in .*transforms.json 48 x 64"),
        (
            {"file_path": "images/gone.png"},
            r"gone.png does not exist, though .* names it \(1 of 3 photos are missing\)",
        ),
        ({"file_path": "../images/c.png"}, 'names the photo "../images/c.png", which lies outside'),
        ({"file_path": "images/../../c.png"}, "lies outside"),
        ({"file_path": "..\\c.png"}, "lies outside"),
        ({"file_path": "/etc/passwd"}, 'names the photo "/etc/passwd", which lies outside'),
        ({"file_path": "C:\\c.png"}, "lies outside"),
        ({"file_path": 7}, 'Frame 0 in .*transforms.json has no "file_path"'),
        ({"mask_path": "../m.png"}, "lies outside"),
        ({"file_path": "images/b.png"}, "gives .*b.png two cameras; remove one"),
    ],
)
def test_impossible_frames_are_refused(tmp_path, transforms, frame, message):
    transforms["frames"][0] |= frame
    with pytest.raises(InputError, match=message):
        read(tmp_path, transforms)


def test_a_broken_frame_can_be_left_out(tmp_path, transforms):
    transforms["frames"][0] |= spoil_pose(0, 0, math.nan)
    assert read(tmp_path, transforms, only=("a", "b")).names == ("a.png", "b.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{ frames: ", "transforms.json is not valid JSON"),
        ("[1, 2]", "transforms.json holds a list, not a JSON object"),
        ("\xff\xfe", "transforms.json is not valid JSON"),
        ({"fl_x": 60}, 'has no list "frames"'),
        ({"frames": []}, 'has no list "frames"'),
        ({"frames": ["a.png"]}, 'Frame 0 in .* has no "file_path"'),
    ],
)
def test_broken_files_are_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, content)


def test_small_rounding_in_a_pose_is_mended(tmp_path, transforms):
    turn = np.round([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]], 4)
    transforms["frames"][0]["transform_matrix"] = np.block(
        [[turn, np.zeros((2, 2))], [np.zeros((2, 2)), np.eye(2)]]
    ).tolist()
    rotation = read(tmp_path, transforms).cameras.camera_from_world[2, :3, :3].double()
    assert torch.allclose(rotation @ rotation.T, torch.eye(3, dtype=torch.float64), atol=1e-6)
