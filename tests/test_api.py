"""The functions for Python: what they give, what they refuse, what importing them costs."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from commands import QUICK, ROOT, call_recon, save_noise, save_posed_scene

import recon
from recon import api
from recon.events import Event, Step
from recon.exporting import read_ply
from recon.methods.table import METHODS, MethodConfig
from recon.scene import Scene, Views
from recon.viewer.inline import InlineViewer


def quick() -> MethodConfig:
    parts = METHODS["recon"][1]
    return replace(
        parts,
        stereo=replace(parts.stereo, max_planes=24),
        initialise=replace(parts.initialise, max_gaussians=300, border_spacing=12),
        fit=replace(parts.fit, max_steps=30),
        prune=replace(parts.prune, every=10),
        checkpoint_every=5,
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_posed_scene(tmp_path_factory.mktemp("scene") / "photos", photos=4)


@pytest.fixture(scope="module")
def result(photos: Path) -> recon.Reconstruction:
    return recon.fit(recon.load(photos, max_size=64, test_every=4), quick(), device="cpu")


def test_import_loads_neither_torch_nor_the_stages():
    code = "import sys, recon; dir(recon); print([m for m in sys.modules if m in ('torch', 'recon.api')])"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_every_public_name_is_there_and_documented():
    for name in recon.__all__:
        assert getattr(recon, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'foo'"):
        recon.foo  # type: ignore[attr-defined]  # noqa: B018


def test_export_stays_a_function_whatever_else_is_imported():
    code = "import recon.viewer, recon.cli, recon.exporting.formats, recon; print(callable(recon.export))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "True"


def test_a_scene_is_what_the_command_line_makes_of_the_same_photos(photos, result, tmp_path):
    assert call_recon("train", photos, *QUICK, "--test-every", 4, "--output", tmp_path / "run").code == 0
    by_command = read_ply(tmp_path / "run" / "point_cloud.ply")
    assert torch.allclose(by_command.means, result.gaussians.means, atol=1e-5)
    assert torch.allclose(by_command.sh0, result.gaussians.sh0, atol=1e-5)
    assert result.finished and len(result.views) == 3


def test_cameras_that_came_with_the_photos_are_kept(photos):
    scene = recon.load(photos)
    solved = recon.solve_cameras(scene)
    assert isinstance(scene.train, Views) and isinstance(solved.train, Views)
    assert torch.equal(solved.train.cameras.camera_from_world, scene.train.cameras.camera_from_world)


def test_a_picture_looks_like_its_photo_and_carries_no_gradient(result):
    drawn = recon.render(result, result.views.cameras, 1)
    assert drawn.rgb.shape == result.views.images[1].shape and not drawn.rgb.requires_grad
    assert float((drawn.rgb - result.views.images[1]).abs().mean()) < 0.1
    hit = drawn.alpha > 0.9
    truth = result.stereo.depths[1]
    assert float((drawn.depth[hit] / truth[hit]).log().abs().median()) < 0.1
    assert set(result.scores()) == set(result.held_out.names) and result.scores()["0.png"].psnr > 12


def test_a_watcher_is_told_of_every_step_and_may_end_the_fit(photos):
    steps: list[int] = []
    stop = None

    def watch(event: Event) -> None:
        nonlocal stop
        stop = getattr(event, "stop", stop)
        if isinstance(event, Step):
            steps.append(event.step)
            if event.step == 4:
                assert stop is not None
                stop.set()

    stopped = recon.fit(recon.load(photos, max_size=64), quick(), device="cpu", watch=watch)
    assert steps == [1, 2, 3, 4] and not stopped.finished


def test_bars_need_no_console_of_ones_own(result, capsys):
    with recon.Terminal() as watch:
        watch(Step(25, 100, {"photo": torch.tensor(0.5)}, result.gaussians))
    said = capsys.readouterr().out
    assert "25/100" in said and "loss 0.5" in said


def test_exports_keep_the_scene_or_leave_out_its_faults(result, tmp_path):
    before = result.gaussians.means.detach().clone()
    paths = recon.export(result, tmp_path / "all.ply", clean=None, keep_frame=True)
    assert paths == [tmp_path / "all.ply"]
    assert torch.allclose(read_ply(paths[0]).means, before, atol=1e-6)
    cleaned = recon.export(result, tmp_path / "out", ("ply", "splat"))
    assert [path.name for path in cleaned] == ["scene.ply", "scene.splat"]
    assert api.source_of(result).trusted() == result.stereo.consistent
    assert torch.equal(result.gaussians.means, before), "the result itself does not move"
    again = recon.export(cleaned[0], tmp_path / "again.splat", ("splat",), device="cpu")
    assert again[0].stat().st_size == 32 * len(read_ply(cleaned[0]))


def test_the_window_of_a_notebook_is_one_page_without_requests(result):
    window = recon.show(result, height=200)
    assert 'height="200"' in window._repr_html_() and "<script" not in window._repr_html_()
    assert "__VISER_EMBED_DATA__" in window.page
    assert len(repr(window)) < 100
    with pytest.raises(recon.InputError, match="height is 0"):
        recon.show(result, height=0)


def test_what_cannot_be_is_refused_in_a_sentence(photos, result, tmp_path):
    save_noise(tmp_path / "a.png", 0, 48, 36)
    save_noise(tmp_path / "b.png", 1, 48, 36)
    unposed: Scene = recon.load(tmp_path)
    cases = {
        "call recon.solve_cameras": lambda: recon.fit(unposed),
        "no method fast": lambda: recon.fit(recon.load(photos), "fast"),
        "--device tpu is unknown": lambda: recon.fit(recon.load(photos), device="tpu"),
        "does not exist": lambda: recon.load(tmp_path / "none"),
        "'usd' is no format": lambda: recon.export(result, tmp_path, ("usd",)),
        "None is no format": lambda: recon.export(result, tmp_path, ()),
        "is no place for ply": lambda: recon.export(result, tmp_path / "a.splat"),
        "holds no point_cloud.ply": lambda: recon.export(tmp_path, tmp_path / "out", device="cpu"),
    }
    for words, call in cases.items():
        with pytest.raises(recon.InputError, match=words) as refused:
            call()
        assert str(refused.value).endswith(".") and "\n" not in str(refused.value)
    assert isinstance(recon.show(result), InlineViewer)
