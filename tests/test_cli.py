"""The command line: its options, its exit codes, the commands that only tell."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import torch
from commands import ROOT, assert_refused, call_recon

from recon.cli import parse
from recon.commands import changed_alike, diagnosis, with_options
from recon.methods.table import METHODS

RECON, PLAIN = METHODS["recon"][1], METHODS["3dgs"][1]

TRAIN_FLAGS = (
    *(
        "--method",
        "--output",
        "--device",
        "--engine",
        "--resume",
        "--overwrite",
        "--viewer",
        "--host",
        "--port",
    ),
    *("--layout", "--max-size", "--views", "--test-every", "--only", "--held-out", "--masks"),
    *("--max-steps", "--seed", "--checkpoint-every", "--initialise.max-gaussians", "--fit.rates.means"),
    *("--opacity-decay.rate", "--dropout.max-rate", "--shifted-camera.weight", "--stereo-depth.weight"),
    *("--depth-ranking.ranking-weight", "--densify", "--prune.min-opacity", "--poses.max-size"),
)
BENCH_FLAGS = (
    *("--data", "--method", "--scenes", "--views", "--seeds", "--output", "--lpips", "--device", "--engine"),
    *("--max-steps", "--stereo-depth.weight"),
)


@pytest.mark.parametrize(
    ("command", "flags"), [("train", TRAIN_FLAGS), ("bench", BENCH_FLAGS), ("view", ("--host", "--port"))]
)
def test_help_shows_every_option(command, flags):
    outcome = call_recon(command, "--help")
    assert outcome.code == 0
    shown = set(re.findall(r"--[a-z0-9.-]+[a-zA-Z0-9]", outcome.out))
    assert not set(flags) - shown


def test_help_lists_the_commands():
    outcome = call_recon("--help")
    assert outcome.code == 0
    for command in ("train", "view", "export", "bench", "methods", "doctor"):
        assert re.search(rf"^\W*{command}\s+[A-Z]", outcome.out, re.MULTILINE), command


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_shell_completes_commands_options_and_values(tmp_path):
    script = call_recon("--tyro-print-completion", "bash")
    assert script.code == 0
    (tmp_path / "recon").write_text(script.out)
    asked = {
        "ex": {"export"},
        "train photos --resu": {"--resume"},
        "export run --format sp": {"spz", "spz-v3", "splat"},
    }
    for words, expected in asked.items():
        lines = (
            f"source {tmp_path / 'recon'}",
            f"COMP_WORDS=(recon {words}) COMP_CWORD={len(words.split())}",
            "_tyro_recon recon",
            'printf "%s\\n" "${COMPREPLY[@]}"',
        )
        done = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60)
        assert set(done.stdout.split()) == expected, done.stderr


def test_methods_are_listed_by_name():
    outcome = call_recon("methods")
    assert outcome.code == 0
    for name, (description, _) in METHODS.items():
        assert name in outcome.out
        assert description.split()[0] in outcome.out


def test_doctor_tells_what_is_here_and_the_remedy_for_what_is_not():
    outcome = call_recon("doctor")
    assert outcome.code == 0
    rows = diagnosis()
    assert {"python", "torch", "pycolmap", "engine cpu", "engine cuda", "disk", "learned matcher"} <= {
        part for part, _, _ in rows
    }
    for part, state, remedy in rows:
        assert part in outcome.out
        assert remedy or state not in ("missing", "not here", "not yet"), part


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "recon", "methods"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "3dgs" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("trian", "photos"),
        ("train",),
        ("train", "photos", "--max-step", "3"),
        ("train", "photos", "--max-steps", "many"),
        ("train", "photos", "--engine", "opengl"),
        ("train", "photos", "--device", "tpu"),
        ("bench", "llfff", "--data", "there"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_explained_with_exit_code_2(arguments):
    outcome = call_recon(*arguments)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert outcome.err.strip()


@pytest.mark.parametrize("flag", [("--method", "4dgs"), ("--method=4dgs",)], ids=" ".join)
def test_an_unknown_method_is_answered_with_the_known_ones(tmp_path, flag):
    outcome = call_recon("train", tmp_path, *flag)
    assert_refused(outcome, 2, "no method 4dgs", "choose one of recon, 3dgs")


def test_an_engine_that_cannot_draw_there_is_refused(tmp_path):
    """A missing GPU is the machine's fault, one that --device rules out the user's."""
    outcome = call_recon("train", tmp_path, "--device", "cpu", "--engine", "cuda")
    if torch.cuda.is_available():
        assert_refused(outcome, 2, "--engine cuda cannot draw on --device cpu", "--engine auto")
    else:
        assert_refused(outcome, 3, "--engine cuda", "no CUDA GPU", "--engine auto")


def test_a_method_gives_the_defaults_and_options_go_before_them():
    assert parse(["train", "photos"]).parts == RECON
    assert parse(["train", "photos", "--method", "3dgs"]).parts == PLAIN
    parts = parse(["train", "photos", "--method", "3dgs", "--dropout.max-rate", "0.5", "--seed", "3"]).parts
    assert (parts.dropout.max_rate, parts.fit.seed, parts.densify) == (0.5, 3, "grow")


def test_a_value_that_is_called_like_a_command_is_a_value():
    assert str(parse(["train", "view", "--output", "train"]).data.path) == "view"


def test_options_of_a_benchmark_apply_to_every_method():
    arguments = ["bench", "llff", "--data", "d", "--method", "recon", "3dgs", "--max-steps", "7"]
    command = parse([*arguments, "--stereo-depth.weight", "0.4"])
    for name, own in (("recon", RECON), ("3dgs", PLAIN)):
        config = with_options(name, command)
        assert config.fit.max_steps == 7
        assert config.stereo_depth.weight == 0.4
        assert config.dropout == own.dropout
        assert config.initialise == own.initialise
        assert config.densify == own.densify


def test_without_options_every_method_is_as_in_the_table():
    command = parse(["bench", "llff", "--data", "d", "--method", "3dgs", "recon"])
    assert with_options("3dgs", command) == PLAIN
    assert with_options("recon", command) == RECON


def test_only_what_differs_is_changed():
    assert changed_alike(PLAIN, RECON, RECON) == PLAIN
    assert changed_alike(PLAIN, PLAIN, RECON) == RECON


@pytest.mark.parametrize("arguments", [["methods"], ["--help"], ["train", "--help"]])
def test_a_reader_that_leaves_early_is_no_bug(arguments):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "recon", *arguments]
    result = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    os.close(write)
    assert result.stderr == ""
