"""The folder of a run: its settings, when it may be used again, and files that are whole or not there."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from recon.config import TrainConfig
from recon.datasets import DataConfig
from recon.errors import InputError
from recon.files import atomic_file, held
from recon.methods.table import METHODS
from recon.run_folder import RunFolder, open_run, plain


def settings(seed: int = 0, **data: object) -> TrainConfig:
    parts = METHODS["recon"][1]
    parts = dataclasses.replace(parts, fit=dataclasses.replace(parts.fit, seed=seed))
    return TrainConfig(DataConfig(Path("photos"), **data), "recon", parts)


def begin(path: Path, config: TrainConfig | None = None, *, resume=False, overwrite=False) -> RunFolder:
    return open_run(path, config or settings(), resume=resume, overwrite=overwrite)


@pytest.fixture
def finished(tmp_path: Path) -> RunFolder:
    run = begin(tmp_path / "runs" / "run")
    run.stereo.write_text("a prior")
    run.metrics.write_text("{}")
    return run


def test_config_yaml_holds_every_setting_as_it_was_given(tmp_path):
    run = begin(tmp_path / "run", settings(seed=5, only=("a", "b")))
    content = yaml.safe_load(run.config.read_text())
    assert content["data"]["path"] == "photos"
    assert content["data"]["only"] == ["a", "b"]
    assert content["data"]["held_out"] is None
    assert content["parts"]["fit"]["seed"] == 5
    assert content["parts"]["fit"]["rates"]["means"] == settings().parts.fit.rates.means
    assert content == plain(settings(seed=5, only=("a", "b")))


def test_a_run_in_use_is_not_begun_again_unasked(finished):
    with pytest.raises(InputError, match="is not empty; give --resume to go on, --overwrite to begin anew"):
        begin(finished.path)
    assert finished.metrics.exists()


def test_overwrite_empties_the_folder_once_the_new_run_is_ready(finished):
    (finished.path / "held_out").mkdir()
    before = {path: path.read_text() for path in finished.path.rglob("*") if path.is_file()}
    run = begin(finished.path, settings(seed=4), overwrite=True)
    assert {path: path.read_text() for path in run.path.rglob("*") if path.is_file()} == before
    run = run.make_way()
    assert [path for path in run.path.rglob("*") if path.is_file()] == [run.config]
    assert yaml.safe_load(run.config.read_text())["parts"]["fit"]["seed"] == 4
    run.stereo.write_text("a prior")
    assert run.make_way() is run and run.stereo.exists()


def test_the_near_plane_is_that_of_metrics_json(finished):
    assert finished.near is None
    finished.metrics.write_text('{"near": 0.25}')
    assert finished.near == 0.25
    finished.metrics.write_text("[")
    with pytest.raises(InputError, match="metrics.json is damaged"):
        _ = finished.near


def test_a_run_that_never_got_anywhere_is_begun_again_with_other_settings(tmp_path):
    """The first try named the wrong photos; nobody should have to clean up after it."""
    begin(tmp_path / "run")
    run = begin(tmp_path / "run", settings(seed=1))
    assert yaml.safe_load(run.config.read_text())["parts"]["fit"]["seed"] == 1


@pytest.mark.parametrize("name", ["config.yaml", "notes.txt"])
def test_files_of_others_are_neither_read_nor_removed(tmp_path, name):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / name).write_text("host: example.org")
    with pytest.raises(InputError, match="is not empty"):
        begin(tmp_path / "other")
    assert (tmp_path / "other" / name).read_text() == "host: example.org"


def test_overwrite_refuses_a_folder_that_is_no_run(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not a run of recon"):
        begin(tmp_path, overwrite=True)
    assert (tmp_path / "notes.txt").exists()


def test_resume_keeps_the_priors_and_drops_the_result(finished):
    begin(finished.path, resume=True)
    assert finished.stereo.exists()
    assert not finished.metrics.exists()


def test_resume_names_the_settings_that_changed_and_keeps_the_result(finished):
    with pytest.raises(InputError, match=r"another data.max_size, parts.fit.seed; resume with the settings"):
        begin(finished.path, settings(seed=3, max_size=100), resume=True)
    assert finished.metrics.exists()


@pytest.mark.parametrize("text", ["{", "a: [", "\x00", "- 1", "words", ""])
def test_resume_refuses_settings_it_cannot_read(finished, text):
    finished.config.write_text(text)
    with pytest.raises(InputError, match="--overwrite to begin anew"):
        begin(finished.path, resume=True)


def test_resume_removes_what_a_killed_process_left(finished):
    left = finished.path / "checkpoints" / ".latest.safetensors.4711.tmp"
    left.write_text("half a checkpoint")
    begin(finished.path, resume=True)
    assert not left.exists()


def test_a_folder_is_for_one_at_a_time(tmp_path):
    with held(tmp_path / "runs" / "run"):
        with pytest.raises(InputError, match="Another process is at work in .*run; wait"):
            with held(tmp_path / "runs" / "run"):
                pass
        with held(tmp_path / "runs" / "other"):
            pass
    with held(tmp_path / "runs" / "run"):
        assert not list((tmp_path / "runs" / "run").iterdir())


def test_a_killed_process_holds_nothing(tmp_path):
    script = (
        f"import pathlib, os, signal; from recon.files import held; f = held(pathlib.Path({str(tmp_path)!r}))"
    )
    killed = f"{script}; f.__enter__(); os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run([sys.executable, "-c", killed], cwd=Path(__file__).parents[1], timeout=60)
    assert done.returncode == -signal.SIGKILL
    with held(tmp_path):
        pass


def test_a_file_that_fails_half_way_never_appears_and_the_old_one_stays(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["metrics.json"]


def test_a_file_is_not_there_before_it_is_whole(tmp_path):
    with atomic_file(tmp_path / "a") as file:
        file.write(b"whole")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_bytes() == b"whole"
