"""The processor's time of a program that fits and shows, by who took it."""

import os
import threading
from pathlib import Path

USER_TIME, SYSTEM_TIME = 11, 12
"""Of what Linux tells of a thread, after its name."""


def viewer_and_fit_seconds() -> tuple[float, float]:
    """Seconds of the processor so far: of all threads of Python's but the main one, which belong to the
    viewer, and of the main one and those that it computes with, which Python does not know. Threads that
    have ended count no more."""
    viewers = {thread.native_id for thread in threading.enumerate()} - {threading.main_thread().native_id}
    viewer = fit = 0.0
    for task in Path("/proc/self/task").iterdir():
        try:
            line = (task / "stat").read_text()
        except FileNotFoundError:  # it has just ended
            continue
        values = line.rpartition(")")[2].split()
        seconds = (int(values[USER_TIME]) + int(values[SYSTEM_TIME])) / os.sysconf("SC_CLK_TCK")
        if int(task.name) in viewers:
            viewer += seconds
        else:
            fit += seconds
    return viewer, fit
