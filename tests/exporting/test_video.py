"""Films are read back frame by frame."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from export_scenes import cloud, two_cameras

from recon.exporting.paths import between_path
from recon.exporting.video import draw_frames, write_frames, write_video
from recon.rendering.reference import rasterize_reference


@pytest.fixture(scope="module")
def drawn() -> list[np.ndarray]:
    path = between_path(two_cameras(), 5, None)
    return list(draw_frames(cloud(150), path, rasterize_reference, 0.01))


def test_frames_show_the_scene_from_place_to_place(drawn):
    assert len(drawn) == 5
    assert drawn[0].shape == (48, 64, 3) and drawn[0].dtype == np.uint8
    assert drawn[0].mean() > 10
    assert np.abs(drawn[0].astype(int) - drawn[4]).mean() > 3


def test_pictures_are_read_back_exactly_and_replace_those_of_a_longer_film(tmp_path: Path, drawn):
    write_frames(tmp_path / "frames", iter(drawn))
    write_frames(tmp_path / "frames", iter(drawn[:3]))
    files = sorted((tmp_path / "frames").iterdir())
    assert [file.name for file in files] == ["frame_00000.png", "frame_00001.png", "frame_00002.png"]
    for file, frame in zip(files, drawn, strict=False):
        np.testing.assert_array_equal(iio.imread(file), frame)


def test_an_mp4_is_read_back_within_its_compression(tmp_path: Path, drawn):
    pytest.importorskip("av", reason="PyAV is not installed")
    write_video(tmp_path / "a.mp4", iter(drawn), 24)
    read = iio.imread(tmp_path / "a.mp4", plugin="pyav")
    assert read.shape == (5, 48, 64, 3)
    errors = np.abs(read.astype(int) - np.stack(drawn)).mean(axis=(1, 2, 3))
    assert errors.max() < 8
    assert iio.immeta(tmp_path / "a.mp4", plugin="pyav")["fps"] == 24


def test_a_film_that_breaks_off_leaves_no_file(tmp_path: Path, drawn):
    pytest.importorskip("av", reason="PyAV is not installed")

    def broken():
        yield drawn[0]
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_video(tmp_path / "a.mp4", broken(), 24)
    assert list(tmp_path.iterdir()) == []
