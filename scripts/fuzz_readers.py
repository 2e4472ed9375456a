"""Looks for files that break a reader, guided by the lines they reach (libFuzzer, by atheris).

    python scripts/fuzz_readers.py --seconds 60                  every reader, a minute each
    python scripts/fuzz_readers.py --readers transforms.json --seconds 3600

The tests damage whole files at random; this keeps what reaches new lines and damages it further. What a
reader may do is the same: take the file, or refuse it in one sentence, in a second and in 500 MB. A file that
breaks one is kept under --output; what was learned is kept there too, and the next run goes on from it.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import tyro

ROOT = Path(__file__).parents[1]
BROKEN = 77
"""libFuzzer's exit code where it found something."""


@dataclass(frozen=True)
class Options:
    """What is tried, and for how long."""

    readers: tuple[str, ...] = ()
    """Kinds of files, by their names in tests/hostile_readers.py; all if not given."""
    seconds: int = 60
    """For each reader."""
    output: Path = Path("runs/fuzz")
    one: bool = False
    """Fuzz the one reader in this process, which ends it."""


def main(options: Options) -> int:
    sys.path.insert(0, str(ROOT / "tests"))
    if options.one:
        fuzz(options.readers[0], options)
    from hostile_readers import READERS

    broken = []
    for name in options.readers or READERS:
        command = [sys.executable, __file__, "--one", "--readers", name, "--seconds", str(options.seconds)]
        done = subprocess.run([*command, "--output", str(options.output)], capture_output=True, text=True)
        if done.returncode:
            broken.append(name)
            print(done.stderr[-4000:])
        print(f"{name}: {'broken' if done.returncode else 'holds'}; {tried(done.stderr)} files")
    return 1 if broken else 0


def tried(log: str) -> str:
    """How many files libFuzzer says it has tried."""
    return log.rpartition("Done ")[2].split(" ")[0] if "Done " in log else "some"


def fuzz(name: str, options: Options) -> None:
    """Never returns: libFuzzer ends the process."""
    atheris = import_module("atheris")  # an extra that type checks do not have
    with atheris.instrument_imports(include=["recon"]):
        from hostile_readers import READERS
    from mutations import refusal

    reader = READERS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = reader.make(Path(folder))
        corpus = options.output / name.replace("/", "_")
        corpus.mkdir(parents=True, exist_ok=True)
        (corpus / "whole").write_bytes(path.read_bytes())

        def try_one(data: bytes) -> None:
            path.write_bytes(data)
            refusal(lambda: reader.read(path))

        atheris.Setup(
            [
                sys.argv[0],
                f"-max_total_time={options.seconds}",
                f"-max_len={4 * path.stat().st_size}",
                f"-artifact_prefix={corpus}-",
                f"-error_exitcode={BROKEN}",
                str(corpus),
            ],
            try_one,
        )
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, description=__doc__)))
