"""What a number needs beside it: the commit, the machine, the memory it took."""

import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

import torch


def commit() -> str:
    """Short hash of the checkout this code runs from, with `+` if files differ; 'unknown' outside of one.

    Where the code was copied to a machine without its history, RECON_COMMIT tells."""
    if "RECON_COMMIT" in os.environ:
        return os.environ["RECON_COMMIT"]
    folder = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=10", "--dirty=+", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()


def machine(device: torch.device) -> str:
    """The GPU's name, or the processor's with the number of threads that torch uses."""
    if device.type != "cpu":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {torch.get_num_threads()} threads"


def peak_memory_gb(device: torch.device) -> float:
    """Most memory in use so far, in 10^9 bytes: of the process, or of torch on the GPU."""
    if device.type != "cpu":
        return torch.cuda.max_memory_allocated(device) / 1e9
    if sys.platform == "linux":  # where a process inherits its parent's peak in rusage
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, others kibibytes.
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
