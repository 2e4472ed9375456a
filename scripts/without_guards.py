"""Takes each guard of `guard_list.py` out of a copy of the repository, and looks whether its test fails.

A test that passes without what it guards is worth nothing. Twenty minutes on two cores:

    python scripts/without_guards.py [ROW ...]
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from guard_list import GUARDS, Guard

ROOT = Path(__file__).parents[1]
FAILED = 1
"""pytest's exit code for tests that fail; others stand for tests that could not be run."""
SECONDS, HUNG = 300, -1
"""A test that takes longer hangs without its guard: that is seen, too."""


def main() -> int:
    """1 if a guard is missed by nobody."""
    rows = set(map(int, sys.argv[1:]))
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder) / "recon")
        for guard in GUARDS:
            if rows and guard.row not in rows:
                continue
            begin = time.monotonic()
            said = verdict(guard, copy)
            missed += said not in ("seen", "hung")
            print(f"{guard.row:2} {said:7} {time.monotonic() - begin:5.0f} s  {guard.what}", flush=True)
    return 1 if missed else 0


def copied(target: Path) -> Path:
    """The files that git knows, those it does not know yet, and what was built."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    built = [str(path.relative_to(ROOT)) for path in (ROOT / "recon").rglob("*.so")]
    for name in (*filter(None, listed), *built):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    if (ROOT / ".node").exists():
        (target / ".node").symlink_to(ROOT / ".node")
    return target


def verdict(guard: Guard, copy: Path) -> str:
    """Whether the test fails without the guard; BROKEN if it could not be run, as where it is skipped."""
    with taken_out(guard, copy):
        code, said = tested(guard.test, copy)
    if code in (FAILED, HUNG):
        return "seen" if code == FAILED else "hung"
    return "MISSED" if code == 0 and " passed" in said else "BROKEN"


@contextmanager
def taken_out(guard: Guard, copy: Path) -> Iterator[None]:
    """The copy without the guard."""
    inside = guard.file.removeprefix("package:")
    file, name, borrowed = copy / inside, Path(inside).parts[0], inside != guard.file
    if borrowed:
        spec = find_spec(name)
        assert spec is not None and spec.origin is not None, name
        shutil.copytree(Path(spec.origin).parent, copy / name)
    whole = file.read_text()
    assert whole.count(guard.code) == 1, f"{guard.file} holds {guard.code!r} {whole.count(guard.code)} times."
    file.write_text(whole.replace(guard.code, guard.without))
    try:
        yield
    finally:
        file.write_text(whole)
        if borrowed:
            shutil.rmtree(copy / name)


def tested(test: str, copy: Path) -> tuple[int, str]:
    """pytest's exit code, and what it said."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *shlex.split(test)]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return HUNG, ""
    return done.returncode, done.stdout


if __name__ == "__main__":
    sys.exit(main())
