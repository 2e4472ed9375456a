"""Ray workers give what one process gives, also when one of them is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import ROOT, assert_refused, call_recon, save_llff_scene

from recon.benchmark.board import Board
from recon.benchmark.results import Task
from recon.benchmark.workers import Outcome, Workers
from recon.errors import MachineError

QUICK = (
    *("--device", "cpu", "--lpips", "none", "--max-steps", "60", "--stereo.max-planes", "24"),
    *("--initialise.max-gaussians", "200", "--initialise.border-spacing", "12", "--seeds", "6"),
)
NOT_REPEATED = ("seconds", "peak_memory_gb", "machine")
"""What depends on who computes."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    save_llff_scene(tmp_path / "data" / "fern")
    return tmp_path / "data"


def command(data: Path, output: Path, *options: str) -> list[str]:
    arguments = ("bench", "llff", "--data", str(data), "--output", str(output), *QUICK, *options)
    return [sys.executable, "-m", "recon", *arguments]


def results(output: Path) -> dict[str, dict]:
    found = {path.name: json.loads(path.read_text()) for path in output.rglob("*.json")}
    return {name: {k: v for k, v in r.items() if k not in NOT_REPEATED} for name, r in found.items()}


def descendants(process: int) -> dict[int, str]:
    """Process ids and titles of all that `process` has started, and they."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    found, parents = {}, {process}
    while parents:
        children = {int(pid): args for pid, parent, args in rows if int(parent) in parents}
        found |= children
        parents = set(children)
    return found


def kill_one_worker(process: int, after: Path) -> bool:
    """SIGKILL to a worker that is measuring, once there is a first result below `after`."""
    for _ in range(1200):
        busy = [pid for pid, title in descendants(process).items() if title.startswith("ray::_measure")]
        if busy and list(after.rglob("*.json")):
            os.kill(busy[0], signal.SIGKILL)
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_six_tasks_survive_a_killed_worker_and_give_what_one_process_gives(data, tmp_path):
    pytest.importorskip("ray")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    alone = subprocess.run(
        command(data, tmp_path / "alone"), env=environment, cwd=ROOT, capture_output=True, timeout=250
    )
    assert alone.returncode == 0, alone.stderr
    run = subprocess.Popen(
        command(data, tmp_path / "several", "--workers", "2"),
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    killed = kill_one_worker(run.pid, tmp_path / "several")
    _, said = run.communicate(timeout=250)
    assert killed
    assert run.returncode == 0, said
    assert results(tmp_path / "several") == results(tmp_path / "alone")
    assert len(results(tmp_path / "several")) == 6


def test_without_ray_several_workers_are_refused_and_one_is_not(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    quick = [*QUICK[:-2], "--max-steps", "2"]
    several = ("bench", "llff", "--data", data, "--output", tmp_path / "out", *quick)
    assert_refused(call_recon(*several, "--workers", 2), 3, "need Ray", "recon[bench]", "--workers 1")
    assert call_recon(*several).code == 0


def test_each_worker_has_its_share_of_the_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert [Workers(count, None, "auto").threads for count in (1, 2, 3, 32)] == [16, 8, 5, 1]


def test_the_board_says_what_runs_what_is_done_and_what_failed():
    import io

    from rich.console import Console

    tasks = [Task("llff", "fern", 3, "recon", seed) for seed in range(3)]
    console = Console(file=io.StringIO(), width=120)
    with Board(tasks, console) as board:
        board.show(tasks[:2], None)
        board.show([tasks[1]], Outcome(tasks[0], None, MachineError("Out of memory.")))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1 of 3 tasks done" in shown
    assert "failed: Out of memory." in shown
    assert "fern, 3 views, recon, seed 1" in shown and "running for" in shown
