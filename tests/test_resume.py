"""A run that was killed, stopped or finished goes on, and ends like one that nothing disturbed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import QUICK, ROOT, assert_refused, call_recon, recon_killed, save_noise, save_posed_scene

from recon import progress
from recon.events import Event, Progress, Step
from recon.exporting import read_ply

GROWING = {
    "as 3DGS does": (
        *("--method", "3dgs", "--grow.refine-start-iter", "1", "--grow.refine-every", "6"),
        *("--grow.grow-grad2d", "1e-6"),
    ),
    "two fields": (
        *("--method", "cor-gs", "--grow.refine-start-iter", "1", "--grow.refine-every", "6"),
        *("--grow.grow-grad2d", "1e-6", "--co-regularisation.prune-every", "8"),
    ),
    "within a budget": (
        *("--densify", "budget", "--budget.every", "6", "--budget.start", "0", "--budget.stop", "1"),
        *("--budget.fill", "0.001"),
    ),
}
"""Changes the number of Gaussians between checkpoints."""


@pytest.fixture(autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """A suite that was started in the background of a shell ignores Ctrl-C otherwise."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_posed_scene(tmp_path_factory.mktemp("scene") / "photos")


@pytest.fixture(scope="module")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    assert train(photos, run).code == 0
    return run


def train(photos: Path, run: Path, *options: object):
    return call_recon("train", photos, *QUICK, "--output", run, *options)


def report(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


def assert_same_scene(a: Path, b: Path) -> None:
    assert (a / "point_cloud.ply").read_bytes() == (b / "point_cloud.ply").read_bytes()
    assert {**report(a), "seconds": 0, "peak_memory_gb": 0} == {
        **report(b),
        "seconds": 0,
        "peak_memory_gb": 0,
    }


def interrupt_at(monkeypatch: pytest.MonkeyPatch, moment: tuple[type, str, int]) -> None:
    """Ctrl-C at the first event of (kind, attribute, value)."""
    kind, attribute, value = moment
    pending = [True]
    show = progress.Terminal.__call__

    def watch(self: progress.Terminal, event: Event) -> None:
        show(self, event)
        if pending and isinstance(event, kind) and getattr(event, attribute) == value:
            pending.pop()
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(progress.Terminal, "__call__", watch)


KILLS = {
    "while stereo runs": ("isinstance(event, Progress) and event.done == 2", []),
    "between checkpoints": ("isinstance(event, Step) and event.step == 17", ["latest", "stereo"]),
    "while a checkpoint is written": ("latest.safetensors.tmp", ["stereo"]),
    "while the scene is written": ("point_cloud.ply.tmp", ["latest", "stereo"]),
}
"""When, and the states on disk by then."""


@pytest.mark.parametrize("when", KILLS)
def test_a_killed_run_ends_like_an_undisturbed_one(tmp_path, photos, undisturbed, when):
    run = tmp_path / "run"
    event, kept = KILLS[when]
    assert recon_killed(event, "train", photos, *QUICK, "--output", run) == -signal.SIGKILL
    assert not (run / "metrics.json").exists()
    assert not (run / "point_cloud.ply").exists()
    assert sorted(path.stem for path in run.rglob("*.safetensors")) == kept

    assert train(photos, run, "--resume").code == 0
    assert_same_scene(run, undisturbed)
    assert not list(run.rglob("*.tmp"))


@pytest.fixture(scope="module")
def seconds(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """From the moment a run has its folder to its end, in a process of its own."""
    run = tmp_path_factory.mktemp("timed") / "run"
    process = begin(photos, run)
    began = time.monotonic()
    assert process.wait(timeout=120) == 0
    return time.monotonic() - began


def begin(photos: Path, run: Path) -> subprocess.Popen:
    """A run in a process of its own, once its folder is there."""
    command = [sys.executable, "-m", "recon", "train", str(photos), *QUICK, "--output", str(run)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (run / "config.yaml").exists():
        assert process.poll() is None
        time.sleep(0.005)
    return process


FEW, MANY = range(2), range(2, 20)


@pytest.mark.parametrize(
    "moment", [*FEW, *(pytest.param(i, marks=[pytest.mark.slow, pytest.mark.soak]) for i in MANY)]
)
def test_a_run_killed_at_a_random_moment_ends_like_an_undisturbed_one(
    tmp_path, photos, undisturbed, seconds, moment
):
    run = tmp_path / "run"
    process = begin(photos, run)
    time.sleep(random.Random(moment).random() * seconds)
    process.kill()
    process.wait()
    if (run / "metrics.json").exists():  # it is written last: all before it is whole
        assert_same_scene(run, undisturbed)
    assert train(photos, run, "--resume").code == 0
    assert_same_scene(run, undisturbed)
    assert not list(run.rglob("*.tmp"))


@pytest.mark.parametrize("growing", GROWING)
def test_a_stopped_run_that_grows_ends_like_an_undisturbed_one(tmp_path, photos, monkeypatch, growing):
    options = GROWING[growing]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert train(photos, whole, *options).code == 0
    with monkeypatch.context() as patch:
        interrupt_at(patch, (Step, "step", 17))
        assert train(photos, stopped, *options).code == 0
    assert report(stopped)["gaussians"] < report(whole)["gaussians"]  # it goes on growing after step 17
    assert train(photos, stopped, *options, "--resume").code == 0
    assert_same_scene(stopped, whole)


def test_resuming_a_finished_run_changes_nothing(tmp_path, photos, undisturbed):
    run = shutil.copytree(undisturbed, tmp_path / "run")
    checkpoint = run / "checkpoints" / "latest.safetensors"
    before = checkpoint.stat().st_mtime_ns
    assert train(photos, run, "--resume").code == 0
    assert_same_scene(run, undisturbed)
    assert checkpoint.stat().st_mtime_ns == before


def test_resume_begins_where_there_is_nothing_yet(tmp_path, photos, undisturbed):
    assert train(photos, tmp_path / "run", "--resume").code == 0
    assert_same_scene(tmp_path / "run", undisturbed)


def test_ctrl_c_leaves_a_scene_that_resume_finishes(tmp_path, photos, undisturbed, monkeypatch):
    run = tmp_path / "run"
    interrupt_at(monkeypatch, (Step, "step", 13))
    outcome = train(photos, run)
    assert outcome.code == 0
    assert "Stopped early; go on with --resume" in outcome.out
    assert (report(run)["finished"], report(run)["steps"]) == (False, 13)
    assert len(read_ply(run / "point_cloud.ply")) == report(run)["gaussians"] > 0

    assert train(photos, run, "--resume").code == 0
    assert report(run)["finished"]
    assert_same_scene(run, undisturbed)


def test_a_second_ctrl_c_ends_at_once(tmp_path, photos, monkeypatch):
    def twice(self: progress.Terminal, event: Event) -> None:
        if isinstance(event, Step) and event.step == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(progress.Terminal, "__call__", twice)
    assert train(photos, tmp_path / "run").code == 130
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_ctrl_c_before_the_fit_ends_at_once(tmp_path, photos, undisturbed, monkeypatch):
    interrupt_at(monkeypatch, (Progress, "done", 1))
    outcome = train(photos, tmp_path / "run")
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    assert not list((tmp_path / "run").rglob("*.safetensors"))
    monkeypatch.undo()
    assert train(photos, tmp_path / "run", "--resume").code == 0
    assert_same_scene(tmp_path / "run", undisturbed)


def test_ctrl_c_means_the_same_afterwards_as_before(tmp_path, photos):
    before = signal.getsignal(signal.SIGINT)
    train(photos, tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before


def test_an_earlier_run_is_neither_mixed_with_nor_lost_unasked(tmp_path, photos, undisturbed):
    run = shutil.copytree(undisturbed, tmp_path / "run")
    assert_refused(train(photos, run), 2, "run exists and is not empty", "--resume", "--overwrite")
    assert_refused(train(photos, run, "--resume", "--overwrite"), 2, "give one of them")
    changed = train(photos, run, "--resume", "--seed", 7, "--stereo-depth.weight", 0.3)
    assert_refused(changed, 2, "another parts.fit.seed, parts.stereo_depth.weight", "--overwrite")
    assert_same_scene(run, undisturbed)


def test_overwrite_begins_anew(tmp_path, photos, undisturbed):
    run = shutil.copytree(undisturbed, tmp_path / "run")
    assert train(photos, run, "--overwrite", "--seed", 7).code == 0
    assert report(run)["seed"] == 7
    assert (run / "point_cloud.ply").read_bytes() != (undisturbed / "point_cloud.ply").read_bytes()


@pytest.mark.parametrize("fault", ["no photos", "a broken photo", "nothing in common"])
def test_an_earlier_run_stays_where_the_new_photos_are_of_no_use(tmp_path, undisturbed, fault):
    run, bad = shutil.copytree(undisturbed, tmp_path / "run"), tmp_path / "bad"
    bad.mkdir()
    for seed in range(0 if fault == "no photos" else 3):
        save_noise(bad / f"{seed}.png", seed)
    if fault == "a broken photo":
        os.truncate(bad / "1.png", 1000)
    outcome = train(bad, run, "--overwrite")
    assert outcome.code == 2, outcome.err
    before = {path.relative_to(undisturbed): path for path in undisturbed.rglob("*") if path.is_file()}
    after = {path.relative_to(run): path for path in run.rglob("*") if path.is_file()}
    assert before.keys() == after.keys()
    assert all(before[name].read_bytes() == after[name].read_bytes() for name in before)


def test_overwriting_a_run_of_solved_cameras_solves_them_anew(tmp_path, undisturbed):
    """Those of the earlier run lie there until then, and are of other photos."""
    run = shutil.copytree(undisturbed, tmp_path / "run")
    (run / "priors" / "cameras.safetensors").write_text("of other photos")
    for seed in range(3):
        save_noise(tmp_path / "bad" / f"{seed}.png", seed)
    assert_refused(train(tmp_path / "bad", run, "--overwrite"), 2, "could be matched")


def test_a_damaged_state_is_named(tmp_path, photos, undisturbed):
    run = shutil.copytree(undisturbed, tmp_path / "run")
    state = run / "checkpoints" / "latest.safetensors"
    os.truncate(state, 1000)
    assert_refused(train(photos, run, "--resume"), 2, f"{state} is damaged", "delete it")
    (run / "config.yaml").write_text("{")
    assert_refused(train(photos, run, "--resume"), 2, "config.yaml is damaged", "--overwrite")


@pytest.mark.parametrize("change", ["photo", "camera"])
def test_photos_that_changed_are_not_taken_for_those_of_the_priors(tmp_path, change):
    photos, run = save_posed_scene(tmp_path / "photos"), tmp_path / "run"
    assert train(photos, run).code == 0
    if change == "photo":
        save_noise(photos / "1.png", 0, 48, 36)
    else:
        content = json.loads((photos / "transforms.json").read_text())
        content["frames"][1]["transform_matrix"][0][3] += 0.1
        (photos / "transforms.json").write_text(json.dumps(content))
    assert_refused(train(photos, run, "--resume"), 2, "photos have changed", "--overwrite")
