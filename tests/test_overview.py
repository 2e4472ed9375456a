"""What the program answers before it loads torch."""

import re
import subprocess
import sys

import pytest
from commands import ROOT, call_recon
from test_repository import PYPROJECT

from recon.cli import Command
from recon.overview import COMMANDS


def run(*arguments: str) -> subprocess.CompletedProcess:
    """The program in a process of its own, which lists on stderr what it imports."""
    command = [sys.executable, "-X", "importtime", "-m", "recon", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def imported(done: subprocess.CompletedProcess) -> set[str]:
    """Packages, by the part of their names before the first dot."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().split(".")[0] for line in lines}


@pytest.mark.parametrize("argument", ["", "-h", "--help", "--version"])
def test_the_first_calls_of_a_new_user_do_not_wait_for_torch(argument):
    done = run(*argument.split())
    assert done.returncode == (0 if argument else 2)
    loaded = imported(done)
    assert "recon" in loaded and not loaded & {"torch", "numpy", "gsplat", "jaxtyping", "rich"}


def test_the_quick_help_is_the_whole_help():
    quick, whole = run("--help").stdout, call_recon("--help").out
    assert words(quick) == words(whole)


def words(text: str) -> list[str]:
    """Without the frames, which are drawn by what the output can show."""
    return re.findall(r"[a-zA-Z:.,]+", text)


def test_the_version_is_that_of_the_package():
    assert f'version = "{run("--version").stdout.removeprefix("recon ").strip()}"' in PYPROJECT


def test_every_command_is_in_the_overview():
    names = {kind.__name__.lower() for kind in Command.__args__}
    assert {name for name in names if not name.startswith("submit")} | {"submit"} == set(COMMANDS)
