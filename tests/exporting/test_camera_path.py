"""The way through the key frames, and its file."""

import json
import math
from pathlib import Path

import pytest
import torch
from synthetic import look_at

from recon.errors import InputError
from recon.exporting.camera_path import CameraPath

SIZE = (64, 48)


@pytest.fixture
def path() -> CameraPath:
    path = CameraPath(seconds=2.0, fps=10)
    for centre in ((0.0, 0.0, 0.0), (1.0, 0.2, 0.0), (2.0, 0.0, 0.5)):
        path = path.with_key(look_at(torch.tensor(centre, dtype=torch.float64)).float(), math.radians(40))
    return path


def test_the_way_begins_at_the_first_key_ends_at_the_last_and_never_jumps(path: CameraPath):
    cameras = path.cameras(SIZE)
    assert len(cameras) == 20 and cameras.sizes[0] == SIZE
    torch.testing.assert_close(cameras.world_from_camera[0], path.keys[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(cameras.world_from_camera[-1], path.keys[-1], atol=1e-5, rtol=0)
    steps = cameras.centres.diff(dim=0).norm(dim=-1)
    assert steps.max() < 3 * steps.median()
    assert (cameras.centres - path.keys[1][:3, 3]).norm(dim=-1).min() < 0.07
    expected = SIZE[1] / 2 / math.tan(math.radians(20))
    torch.testing.assert_close(cameras.Ks[:, 1, 1], torch.full((20,), expected))


def test_a_single_key_stands_still_and_none_is_refused():
    path = CameraPath().with_key(torch.eye(4), 1.0)
    assert path.cameras(SIZE).centres.abs().max() == 0
    with pytest.raises(InputError, match="no key frames"):
        CameraPath().cameras(SIZE)


def test_its_file_brings_it_back_and_is_in_opengl_axes(path: CameraPath):
    text = path.to_json(SIZE)
    again = CameraPath.from_json(text)
    assert (again.seconds, again.fps, again.size) == (2.0, 10, SIZE) and again.fov == pytest.approx(path.fov)
    torch.testing.assert_close(torch.stack(again.keys), torch.stack(path.keys))
    content = json.loads(text)
    first = torch.tensor(content["camera_path"][0]["camera_to_world"]).reshape(4, 4)
    torch.testing.assert_close(first[:3, 1:3], -path.keys[0][:3, 1:3], atol=1e-5, rtol=0)
    assert len(content["camera_path"]) == 20 and content["keyframes"][0]["fov"] == pytest.approx(40)


@pytest.mark.parametrize(
    "change",
    [
        {"keyframes": []},
        {"keyframes": [{"matrix": [1.0] * 16, "fov": 40}]},
        {"keyframes": [{"matrix": [1.0] * 3, "fov": 40}]},
        {"keyframes": [{"matrix": [*torch.eye(4)[:3].flatten().tolist(), *[0.0] * 4], "fov": 40}]},
        {"seconds": float("nan")},
        {"seconds": 1e9},
        {"fps": 0},
        {"render_width": 1},
        {"render_height": 10**9},
        {"keyframes": None},
    ],
    ids=str,
)
def test_other_files_are_refused(path: CameraPath, change: dict):
    with pytest.raises(InputError, match="no camera path"):
        CameraPath.from_json(json.dumps({**json.loads(path.to_json(SIZE)), **change}))


def test_a_file_of_something_else_is_refused():
    for text in ("", "[]", "\x00", "3"):
        with pytest.raises(InputError, match="no camera path"):
            CameraPath.from_json(text)
    with pytest.raises(InputError, match="1 MB"):
        CameraPath.from_json(b" " * (2 << 20))


def test_moved_with_the_scene_it_passes_the_same_things(path: CameraPath):
    rigid = look_at(torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)).float()
    point = torch.tensor([0.1, 0.2, 3.0, 1.0])
    before, after = path.cameras(SIZE), path.moved(rigid).cameras(SIZE)
    torch.testing.assert_close(
        before.camera_from_world @ point, after.camera_from_world @ (rigid @ point), atol=1e-5, rtol=0
    )


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"no\.json cannot be read"):
        CameraPath.read(tmp_path / "no.json")
