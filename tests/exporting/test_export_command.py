"""`recon export`: what it writes, what it says, what it refuses."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from commands import QUICK, assert_refused, call_recon, save_posed_scene
from export_scenes import cloud
from PIL import Image

from recon.cli import FormatName
from recon.datasets import DataConfig, load
from recon.exporting import read_ply, write_ply
from recon.exporting.camera_path import CameraPath
from recon.exporting.formats import FORMATS
from recon.exporting.source import read_scene
from recon.exporting.video import draw_frames
from recon.rendering.reference import rasterize_reference
from recon.scene import Views


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("export")
    photos = save_posed_scene(folder / "photos")
    assert call_recon("train", photos, *QUICK, "--output", folder / "run").code == 0
    yield folder / "run"


def test_the_command_line_knows_every_format_of_the_table():
    assert set(get_args(FormatName)) == set(FORMATS)


def test_a_run_is_written_in_every_format_it_was_asked_for(run: Path):
    names = ["ply", "compressed-ply", "spz", "spz-v3", "sog", "splat", "glb", "cameras", "frames", "mesh"]
    outcome = call_recon(
        "export",
        run,
        "--format",
        *names,
        "--video.seconds",
        "0.1",
        "--mesh.resolution",
        "24",
        "--device",
        "cpu",
    )
    assert outcome.code == 0, outcome.err
    for name in names:
        written = run / "exports" / FORMATS[name].name
        assert written.exists()
        assert str(written) in outcome.out
    assert "splat: " in outcome.out and "loses view dependence" in outcome.out


def test_what_is_left_out_is_counted(tmp_path: Path):
    gaussians = cloud(50)
    with torch.no_grad():
        gaussians.logit_opacities[:3] = -9
        gaussians.log_scales[10] = 3
    write_ply(tmp_path / "cloud.ply", gaussians)
    outcome = call_recon("export", tmp_path / "cloud.ply", "--output", tmp_path / "out.ply")
    assert outcome.code == 0
    assert "46 Gaussians; left out: 3 invisible, 1 oversized" in outcome.out
    assert len(read_ply(tmp_path / "out.ply")) == 46
    outcome = call_recon("export", tmp_path / "cloud.ply", "--keep-all", "--output", tmp_path)
    assert len(read_ply(tmp_path / "scene.ply")) == 50


def test_a_scene_too_large_for_phones_is_warned_of(run: Path, monkeypatch: pytest.MonkeyPatch, caplog):
    monkeypatch.setattr("recon.exporting.formats.MANY_GAUSSIANS", 10)
    assert call_recon("export", run, "--format", "ply").code == 0
    assert "phones draw about one million" in caplog.text


def test_a_splat_as_large_as_the_sky_does_not_leave(tmp_path: Path):
    huge = cloud(300)
    with torch.no_grad():
        huge.log_scales[7] = 14.0  # a million units
    write_ply(tmp_path / "cloud.ply", huge)
    assert call_recon("export", tmp_path / "cloud.ply", "--format", "ply").code == 0
    left = read_ply(tmp_path / "exports" / "scene.ply")
    assert len(left) == 299 and left.scales.max() < 1000


def test_the_frame_can_be_kept(run: Path):
    outcome = call_recon("export", run, "--keep-frame", "--keep-all", "--output", run / "kept.ply")
    assert outcome.code == 0
    before, after = read_ply(run / "point_cloud.ply"), read_ply(run / "kept.ply")
    assert torch.equal(before.means, after.means)


def test_a_film_along_a_saved_path_shows_what_the_viewer_showed(run: Path, tmp_path: Path):
    """Its key frames are in the scene's own frame, the export is centred and upright."""
    gaussians, views, near = read_scene(run)
    assert views is not None
    width, height = views.sizes[0]
    path = CameraPath(seconds=0.5, fps=4)
    for pose in views.cameras.world_from_camera:
        path = path.with_key(pose, 2 * math.atan(height / 2 / float(views.cameras.Ks[0, 1, 1])))
    (tmp_path / "path.json").write_text(path.to_json((width, height)))
    outcome = call_recon(
        *("export", run, "--format", "frames", "--path", tmp_path / "path.json", "--keep-all"),
        *("--output", tmp_path, "--engine", "reference"),
    )
    assert outcome.code == 0, outcome.err
    frames = sorted((tmp_path / "frames").iterdir())
    assert len(frames) == 2
    seen = draw_frames(gaussians, path.cameras((width, height)), rasterize_reference, 0.1 * near)
    for frame, expected in zip(frames, seen, strict=True):
        drawn = iio.imread(frame)
        assert drawn.shape == expected.shape
        assert np.abs(drawn.astype(int) - expected).mean() < 1
    assert_refused(
        call_recon("export", run, "--format", "video", "--path", run / "metrics.json"), 2, "no camera path"
    )


@pytest.mark.parametrize("layout", ["nerfstudio", "colmap"])
def test_exported_cameras_see_the_exported_scene(run: Path, layout):
    """Read by the readers of the data sets, which pycolmap and hand-made files hold to the formats."""
    assert call_recon("export", run, "--format", "cameras", "--keep-frame").code == 0
    read = load(DataConfig(run / "exports" / "cameras", layout=layout)).train
    views = read_scene(run)[1]
    assert isinstance(read, Views) and views is not None
    assert read.names == views.names
    torch.testing.assert_close(
        read.cameras.camera_from_world, views.cameras.camera_from_world, atol=1e-6, rtol=0
    )
    torch.testing.assert_close(read.cameras.Ks, views.cameras.Ks)
    for a, b in zip(read.images, views.images, strict=True):
        assert torch.equal(a, b)


def test_points_of_the_colmap_model_are_the_gaussians(run: Path):
    import pycolmap

    assert call_recon("export", run, "--format", "ply", "cameras").code == 0
    model = pycolmap.Reconstruction(run / "exports" / "cameras" / "sparse" / "0")
    means = read_ply(run / "exports" / "scene.ply").means.detach().double()
    points = torch.stack([torch.from_numpy(point.xyz) for point in model.points3D.values()])
    assert len(points) == len(means)
    assert torch.cdist(points, means).min(dim=1).values.max() < 1e-6


def test_no_place_and_no_path_leaves_with_a_file(run: Path):
    assert call_recon("export", run, "--format", *(set(FORMATS) & {"glb", "sog", "cameras", "ply"})).code == 0
    for path in (run / "exports").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert str(run).encode() not in content and b"/tmp/" not in content and b"/home" not in content
        if path.suffix == ".png":
            with Image.open(path) as photo:
                assert not photo.getexif() and not photo.info


def test_what_cannot_be_exported_is_refused_in_one_sentence(run: Path, tmp_path: Path):
    write_ply(tmp_path / "cloud.ply", cloud(5))
    assert_refused(call_recon("export", tmp_path), 2, "point_cloud.ply", "finished run")
    assert_refused(call_recon("export", tmp_path / "no.ply"), 2, "no.ply")
    assert_refused(call_recon("export", tmp_path / "cloud.ply", "--format", "cameras"), 2, "no cameras")
    assert_refused(call_recon("export", run, "--format", "spz", "--output", tmp_path / "a.ply"), 2, "*.spz")
    assert_refused(
        call_recon("export", run, "--format", "spz", "ply", "--output", tmp_path / "a.ply"), 2, "folder"
    )
    faint = cloud(5)
    with torch.no_grad():
        faint.logit_opacities.fill_(-20)
    write_ply(tmp_path / "faint.ply", faint)
    assert_refused(call_recon("export", tmp_path / "faint.ply"), 2, "nothing is left")
    assert not [path for path in (tmp_path / "exports").rglob("*") if path.is_file()]
