"""Too little memory is said before the start, and what is said is neither too much nor a joke."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from commands import QUICK, ROOT, assert_no_result, assert_refused, call_recon, save_posed_scene

import recon.memory
from recon.initialise import InitialiseConfig
from recon.memory import check_memory, free_bytes, needed_bytes
from recon.methods.priors.stereo_types import StereoConfig
from recon.scene import Photos

CPU = torch.device("cpu")


def photos_of(count: int, width: int, height: int) -> Photos:
    """Of one value, which takes no memory."""
    image = torch.zeros(1, 1, 1).expand(height, width, 3)
    nothing = (None,) * count
    return Photos((image,) * count, ("a",) * count, nothing, paths=(Path("a"),) * count, focal_priors=nothing)


def test_photos_that_cannot_fit_are_refused_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    photos = save_posed_scene(tmp_path / "photos")
    monkeypatch.setattr(recon.memory, "_system_bytes", lambda: 1e5)
    outcome = call_recon("train", photos, *QUICK, "--output", tmp_path / "run")
    assert_refused(outcome, 3, "at least", "are free", "--max-size")
    assert_no_result(tmp_path)


def test_the_estimate_grows_with_what_it_is_made_of():
    stereo, initialise = StereoConfig(prior="classical"), InitialiseConfig()
    few, many = photos_of(3, 512, 384), photos_of(9, 512, 384)
    assert needed_bytes(few, stereo, initialise) < needed_bytes(many, stereo, initialise)
    assert needed_bytes(few, stereo, initialise) < needed_bytes(photos_of(3, 1600, 1200), stereo, initialise)
    by_hand = 4 * (2 * 3 * 3 * 512 * 384 + 2 * 192 * 512 * 384 + 4 * 23 * 120_000)
    assert needed_bytes(few, stereo, initialise) == by_hand
    led = StereoConfig(prior="auto")  # which keeps the scores of every photo for a second choice
    assert needed_bytes(few, led, initialise) == by_hand + 4 * 3 * 192 * 512 * 384


def test_a_limit_on_the_address_space_counts():
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 50_000_000, before[1]))
    try:
        assert free_bytes(CPU) < 60_000_000
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    check_memory(1000, CPU)


@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_a_share_of_the_gpu_that_was_set_counts(monkeypatch: pytest.MonkeyPatch, name: str):
    gpu = torch.device(name)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (8_000_000_000, 80_000_000_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 1_000_000_000)

    def set_share(device: torch.device | None) -> float:
        if device is not None and device.index is None:
            raise ValueError("Expected a torch.device with a specified index")  # as torch does
        return share

    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", set_share)
    share = 1.0
    assert free_bytes(gpu) == pytest.approx(8e9)
    share = 0.05
    assert free_bytes(gpu) == pytest.approx(3e9)


ON_A_SHARE = """
import sys, torch
import recon.commands
from recon.cli import main
torch.cuda.set_per_process_memory_fraction(float(sys.argv[1]))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("size", "megabytes", "words"),
    # The second passes the estimate, which counts no kernel's own needs, and ends in the middle.
    [((480, 360), 8, ("at least", "are free")), ((96, 72), 24, ("memory", "lower --max-size"))],
    ids=["before", "amid"],
)
def test_a_small_share_of_a_gpu_is_refused_or_ends_in_a_sentence(tmp_path: Path, size, megabytes, words):
    photos = save_posed_scene(tmp_path / "photos", size)
    share = megabytes * 1e6 / torch.cuda.mem_get_info()[1]
    command = [sys.executable, "-c", ON_A_SHARE, str(share), "train", str(photos), "--device", "cuda"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "run")], capture_output=True, text=True, cwd=ROOT, timeout=250
    )
    assert done.returncode == 3, done.stderr
    for word in words:
        assert word in done.stderr
    assert_no_result(tmp_path / "run")


MEASURE = """
import sys, torch
import recon.commands
from recon.cli import main
from recon.provenance import peak_memory_gb
cpu = torch.device("cpu")
before = peak_memory_gb(cpu)
assert main(sys.argv[1:]) == 0
print(int(1e9 * (peak_memory_gb(cpu) - before)))
"""


@pytest.mark.slow
def test_a_run_takes_what_was_estimated_and_not_ten_times_as_much(tmp_path: Path):
    size, planes, gaussians = (480, 360), 96, 20_000
    photos = save_posed_scene(tmp_path / "photos", size)
    options = ("--device", "cpu", "--max-steps", "3", "--stereo.max-planes", planes)
    options += ("--initialise.max-gaussians", gaussians, "--output", tmp_path / "run")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, "train", str(photos), *map(str, options)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    taken = int(done.stdout.split()[-1])
    stereo, initialise = StereoConfig(max_planes=planes), InitialiseConfig(max_gaussians=gaussians)
    estimate = needed_bytes(photos_of(3, *size), stereo, initialise)
    assert estimate < taken < 10 * estimate
