"""A day's use in miniature: many short runs in one process leave nothing behind."""

import gc
import os
import resource
import threading
from pathlib import Path

import pytest
from commands import QUICK, call_recon, save_posed_scene


def footprint() -> tuple[int, int, float]:
    """(threads, open files, megabytes) of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return threading.active_count(), len(os.listdir("/proc/self/fd")), pages * resource.getpagesize() / 1e6


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_fifty_runs_leave_no_thread_no_file_and_no_memory(tmp_path: Path):
    photos = save_posed_scene(tmp_path / "photos", photos=4)
    options = (*QUICK, "--max-steps", "10", "--test-every", "4", "--output", tmp_path / "run")

    def run(times: int) -> None:
        for _ in range(times):
            assert call_recon("train", photos, *options, "--overwrite").code == 0

    run(10)  # caches and pools fill
    before = footprint()
    run(50)
    after = footprint()
    assert after[:2] == before[:2]
    assert after[2] <= before[2] + 20
