"""What can be wrong with photos, folders and machines: the exit code, one sentence, no half result."""

import json
import math
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import (
    QUICK,
    assert_no_result,
    assert_refused,
    call_recon,
    save_noise,
    save_pixels,
    save_posed_scene,
)
from PIL import Image

import recon.commands  # before `ruled_folder`: root's packages may be for root alone
import recon.pipeline
from recon.cli import explain
from recon.files import held

NOBODY = 65534


def empty(folder: Path) -> None:
    folder.mkdir()


def one_photo(folder: Path) -> None:
    save_noise(folder / "a.png", 0)


def truncated(folder: Path) -> None:
    save_noise(folder / "a.jpg", 0)
    save_noise(folder / "b.jpg", 1)
    whole = (folder / "b.jpg").read_bytes()
    (folder / "b.jpg").write_bytes(whole[: len(whole) // 2])


def text_as_photo(folder: Path) -> None:
    save_noise(folder / "a.jpg", 0)
    (folder / "b.jpg").write_text("This is no photo.")


def twins(folder: Path) -> None:
    save_noise(folder / "a.png", 0)
    save_noise(folder / "b.png", 0)


def nothing_in_common(folder: Path) -> None:
    for seed, name in enumerate("abc"):
        save_noise(folder / f"{name}.png", seed)


def hundred_megapixels(folder: Path) -> None:
    save_noise(folder / "a.png", 0)
    ramp = np.linspace(0, 255, 11_000).astype(np.uint8)
    Image.fromarray(np.broadcast_to(ramp, (9_100, 11_000))).save(folder / "b.jpg", quality=30)


def poses_of_nan(folder: Path) -> None:
    save_posed_scene(folder)
    content = json.loads((folder / "transforms.json").read_text())
    content["frames"][1]["transform_matrix"][0][3] = math.nan
    (folder / "transforms.json").write_text(json.dumps(content))


def mask_of_another_size(folder: Path) -> None:
    save_noise(folder / "a.png", 0)
    save_noise(folder / "b.png", 1)
    save_pixels(folder / "masks" / "b.png", np.full((50, 90), 255, dtype=np.uint8))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (empty, ("photos holds no photo", "put at least two")),
        (one_photo, ("leaves 1 photo", "at least 2")),
        (truncated, ("b.jpg is damaged or incomplete", "copy it again")),
        (text_as_photo, ("b.jpg is no photo in a known format", "convert or remove")),
        (twins, ("a.png and b.png are the same picture", "remove one")),
        (nothing_in_common, ("None of the photos a.png, b.png, c.png could be matched", "take the others")),
        (hundred_megapixels, ("None of the photos a.png, b.jpg could be matched", "take the others")),
        (poses_of_nan, ("1.png", "transforms.json", "nan")),
        (mask_of_another_size, ("masks/b.png", "90 x 50", "160 x 120")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_wrong_photos_are_named_in_one_sentence(tmp_path: Path, make: Callable[[Path], None], words):
    make(tmp_path / "photos")
    outcome = call_recon("train", tmp_path / "photos", *QUICK, "--output", tmp_path / "run")
    assert_refused(outcome, 2, *words)
    assert_no_result(tmp_path)


@pytest.fixture
def ruled_folder() -> Iterator[Path]:
    """A folder where the rules of the file system hold: root, as whom containers run tests, steps down."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        user = os.geteuid()
        if user == 0:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(user)
            for path in folder.iterdir():
                path.chmod(stat.S_IRWXU)


def test_a_folder_that_may_not_be_read_is_named(ruled_folder: Path):
    photos, output = ruled_folder / "photos", ruled_folder / "run"
    photos.mkdir(mode=0)
    outcome = call_recon("train", photos, *QUICK, "--output", output)
    assert_refused(outcome, 2, f"{photos} may not be read", "chmod")
    assert_no_result(output)


@pytest.mark.parametrize("output", [Path("locked"), Path("locked/run"), Path("locked/runs/run")], ids=str)
def test_an_output_folder_that_may_not_be_written_is_named(ruled_folder: Path, output: Path):
    photos = save_posed_scene(ruled_folder / "photos")
    (ruled_folder / "locked").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    outcome = call_recon("train", photos, *QUICK, "--output", ruled_folder / output)
    assert_refused(outcome, 2, str(ruled_folder / output), "Permission denied", "may write to")


def test_an_output_folder_of_somebody_else_is_left_alone(tmp_path: Path):
    photos = save_posed_scene(tmp_path / "photos")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("mine")
    for wish in ((), ("--overwrite",), ("--resume",)):
        outcome = call_recon("train", photos, *QUICK, "--output", tmp_path / "thesis", *wish)
        assert_refused(outcome, 2, "thesis is not empty and not a run of recon", "choose another --output")
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]


def test_a_file_in_place_of_the_output_folder_is_left_alone(tmp_path: Path):
    photos = save_posed_scene(tmp_path / "photos")
    (tmp_path / "run").write_text("mine")
    outcome = call_recon("train", photos, *QUICK, "--output", tmp_path / "run", "--overwrite")
    assert_refused(outcome, 2, "run is a file", "--output")
    assert (tmp_path / "run").read_text() == "mine"


def test_a_run_folder_that_another_process_works_in_is_left_alone(tmp_path: Path):
    photos, run = save_posed_scene(tmp_path / "photos"), tmp_path / "run"
    with held(run):
        for wish in ((), ("--overwrite",), ("--resume",)):
            outcome = call_recon("train", photos, *QUICK, "--output", run, *wish)
            assert_refused(outcome, 2, "Another process is at work", "run", "--output")
    assert not list(run.iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of five megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(disk)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this user may not mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> None:
    with pytest.raises(OSError, match="No space left"), (disk / "ballast").open("ab", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


WRITERS = {
    "open_run": [],
    "cached_stereo": ["config.yaml"],
    "save_checkpoint": ["config.yaml", "stereo.safetensors"],
    "write_ply": ["config.yaml", "latest.safetensors", "stereo.safetensors"],
    "write_views": ["config.yaml", "latest.safetensors", "point_cloud.ply", "stereo.safetensors"],
}
"""What writes into the run folder, and the files that are there before."""


@pytest.mark.parametrize("writer", [*WRITERS, "write_comparisons", "write_json"])
def test_a_disk_that_fills_up_leaves_no_result(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch, writer: str
):
    photos, run = save_posed_scene(tmp_path / "photos", photos=4), small_disk / "run"
    module = recon.commands if writer == "open_run" else recon.pipeline
    write = getattr(module, writer)
    monkeypatch.setattr(module, writer, lambda *a, **options: fill(small_disk) or write(*a, **options))
    outcome = call_recon("train", photos, *QUICK, "--test-every", 4, "--output", run)
    assert_refused(outcome, 3, "disk", "free")
    files = sorted(path.name for path in run.rglob("*") if path.is_file())
    assert "metrics.json" not in files
    assert not [name for name in files if name.endswith(".tmp")]
    if writer in WRITERS:
        assert files == WRITERS[writer]


def test_a_full_disk_is_the_machines_fault_wherever_it_shows(tmp_path: Path):
    with pytest.raises(OSError) as caught, open("/dev/full", "wb", buffering=0) as file:
        file.write(b"photo")
    message, code = explain(caught.value)
    assert code == 3
    assert message.startswith("The disk is full; free space")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("command", ["train", "bench"])
def test_a_gpu_that_is_missing_is_the_machines_fault(tmp_path: Path, command: str):
    inputs = (tmp_path,) if command == "train" else ("llff", "--data", tmp_path, "--scenes", "fern")
    (tmp_path / "fern").mkdir()
    outcome = call_recon(command, *inputs, "--device", "cuda", "--output", tmp_path / "run")
    assert_refused(outcome, 3, "--device cuda", "no CUDA GPU", "use --device cpu")
    assert not (tmp_path / "run").exists()


def test_too_little_memory_is_the_machines_fault():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    for error in (caught.value, MemoryError()):
        message, code = explain(error)
        assert code == 3
        assert "lower --max-size" in message


def test_every_other_failure_is_our_bug_and_shows_where():
    try:
        [].pop()
    except IndexError as error:
        message, code = explain(error)
        assert code == 1
        assert "test_failures.py" in message
        assert "report it" in message


def test_debug_shows_the_traceback_of_what_is_not_a_bug(tmp_path: Path):
    with pytest.raises(Exception, match="does not exist"):
        call_recon("train", tmp_path / "nowhere", "--output", tmp_path / "run", "--debug")
