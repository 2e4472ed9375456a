"""The fuzzing script tells a reader that holds from one that breaks."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.soak]
pytest.importorskip("atheris", reason="atheris is not installed: make fuzz")


def fuzzed(tmp_path: Path, name: str, reader: str = "") -> subprocess.CompletedProcess[str]:
    """A second of one reader; `reader` replaces what reads the file."""
    script = (ROOT / "scripts/fuzz_readers.py").read_text()
    changed = tmp_path / "scripts"
    changed.mkdir()
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    (changed / "fuzz_readers.py").write_text(
        script.replace("reader.read(path)", reader or "reader.read(path)")
    )
    command = [sys.executable, changed / "fuzz_readers.py", "--readers", name, "--seconds", "1"]
    return subprocess.run(
        [*command, "--output", tmp_path / "kept"], capture_output=True, text=True, timeout=120
    )


def test_a_reader_that_refuses_in_one_sentence_holds(tmp_path: Path):
    done = fuzzed(tmp_path, "edits.json")
    assert done.returncode == 0 and "edits.json: holds" in done.stdout, done.stdout + done.stderr


def test_a_reader_that_raises_anything_else_is_broken_and_its_file_kept(tmp_path: Path):
    done = fuzzed(tmp_path, "edits.json", "[][1]")
    assert done.returncode == 1 and "edits.json: broken" in done.stdout
    assert list((tmp_path / "kept").glob("edits.json-crash-*"))
