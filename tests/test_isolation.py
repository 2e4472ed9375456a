"""On a machine that lacks what others have: a network, Node, ffmpeg, a display, the optional packages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import QUICK, ROOT, assert_refused, call_recon, save_noise, save_posed_scene

from recon.datasets import read_photo
from recon.errors import MachineError

NO_NETWORK = ("unshare", "--net", "--map-root-user")


def alone(*command: str, network: bool = False, **environment: str) -> subprocess.CompletedProcess:
    """A command with no program on its path, no display, no home and, unless asked for, no network."""
    cut = () if network else NO_NETWORK
    if not network and subprocess.run([*cut, "/bin/true"], capture_output=True).returncode:
        pytest.skip("this user may not cut off the network")
    bare = {"PATH": "/nowhere", "HOME": "/nowhere", "OMP_NUM_THREADS": "1", **environment}
    # unshare itself is found before the path is emptied.
    starter = ["/usr/bin/env", "-i", *(f"{key}={value}" for key, value in bare.items())]
    return subprocess.run([*cut, *starter, *command], cwd=ROOT, capture_output=True, text=True, timeout=200)


@pytest.mark.slow
def test_a_run_and_its_exports_need_no_network_and_no_other_program(tmp_path: Path):
    photos, run = save_posed_scene(tmp_path / "photos", photos=4), tmp_path / "run"
    recon = (sys.executable, "-m", "recon")
    train = alone(*recon, "train", str(photos), *QUICK, "--test-every", "4", "--output", str(run))
    assert train.returncode == 0, train.stderr
    formats = ("ply", "compressed-ply", "spz", "sog", "splat", "glb", "cameras", "frames")
    video = ("--video.seconds", "0.1", "--device", "cpu")
    export = alone(*recon, "export", str(run), "--format", *formats, *video)
    assert export.returncode == 0, export.stderr
    assert len(list((run / "exports").iterdir())) == len(formats)


LPIPS = """
import sys, torch
from recon.cli import explain
from recon.metrics import make_lpips
try:
    make_lpips("alex", torch.device("cpu"))
except Exception as error:
    message, code = explain(error)
    print(message)
    sys.exit(code)
"""


def test_weights_that_cannot_be_fetched_are_named_with_the_remedy(tmp_path: Path):
    done = alone(sys.executable, "-c", LPIPS, TORCH_HOME=str(tmp_path))
    assert done.returncode == 3, done.stderr
    sentence = done.stdout.splitlines()[-1]  # torch says before that it tries
    assert sentence.startswith("LPIPS needs the alex weights") and "TORCH_HOME" in sentence
    assert "Traceback (" not in done.stdout + done.stderr


def test_films_without_their_package_are_refused_in_one_sentence(tmp_path: Path, monkeypatch):
    photos, run = save_posed_scene(tmp_path / "photos"), tmp_path / "run"
    assert call_recon("train", photos, *QUICK, "--output", run).code == 0
    monkeypatch.setitem(sys.modules, "av", None)
    film = ("--format", "video", "--video.seconds", "0.1", "--device", "cpu")
    assert_refused(call_recon("export", run, *film), 3, "PyAV", "pip install av", "frames")
    assert not list((run / "exports").glob("*.mp4"))


def test_photos_of_phones_without_their_package_are_refused_in_one_sentence(tmp_path: Path, monkeypatch):
    (tmp_path / "a.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MachineError, match="HEIC photos need pillow-heif; run `pip install pillow-heif`"):
        read_photo(tmp_path / "a.heic", 64)


def test_a_bomb_is_refused_under_a_small_limit_of_memory(tmp_path: Path):
    """A PNG that says 50,000 x 50,000 in 100 bytes, where decoding it would take 7.5 GB."""
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b""))
    packed = (struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    save_noise(tmp_path / "photos" / "b.png", 0)
    (tmp_path / "photos" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    script = (
        "import resource, sys, recon.commands; from recon.cli import main",
        "pages = int(open('/proc/self/statm').read().split()[0])",
        "limit = pages * resource.getpagesize() + 300_000_000",
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))",
        "sys.exit(main(sys.argv[1:]))",
    )
    arguments = ("train", str(tmp_path / "photos"), *QUICK, "--output", str(tmp_path / "run"))
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(script), *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 2, done.stderr
    assert "50000 x 50000 = 2500 megapixels" in done.stderr and "Traceback" not in done.stderr
