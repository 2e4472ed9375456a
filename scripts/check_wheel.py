"""Installs a wheel into a new environment without a compiler, and runs the program there.

    make wheel                                                     # builds dist/*.whl, then runs this
    python scripts/check_wheel.py dist/recon-*.whl
    python scripts/check_wheel.py dist/recon-*.whl --fetch         # with packages of its own, from the index

Without --fetch the new environment takes torch and all else from the environment that this script runs in:
that saves gigabytes, and the wheel is tried with the versions that the tests have passed with. No program is
on the path, and the repository is not: only its photos are named.
"""

import argparse
import json
import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

PHOTOS = Path(__file__).parents[1] / "examples" / "photos"
BUILDS = {"core_base.so", "core_v3.so", "core_v4.so"}
SHORT_FIT = ("--device", "cpu", "--max-size", "256", "--max-steps", "200", "--quiet", "--json")
MIN_PSNR = 22.0
"""dB of the held-out photos after the short fit; a core that draws nothing stays far below."""


def faults_of(wheel: Path) -> list[str]:
    """What is wrong with the file itself."""
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name).name for name in archive.namelist()}
    faults = [f"{wheel.name} lacks {name}" for name in sorted(BUILDS - names)]
    if not re.search(r"-py3-none-manylinux_\d+_\d+_x86_64\.whl$", wheel.name):
        faults.append(f"{wheel.name} does not say which glibc it needs; auditwheel does")
    if any(name.startswith("libgomp") for name in names):
        faults.append(f"{wheel.name} brings an OpenMP of its own, which does not share threads with torch's")
    return faults


def new_environment(folder: Path, wheel: Path, fetch: bool) -> Path:
    """The folder of the programs of an environment that holds the wheel."""
    venv.create(folder, with_pip=True)
    install = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Nothing may need a compiler: a package that comes as source alone is a fault.
    sources = ["--only-binary", ":all:"] if fetch else ["--no-index", "--no-deps"]
    subprocess.run([*install, *sources, wheel], check=True)
    if not fetch:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = folder / "lib" / version / "site-packages"
        # Of a folder that is named like this no .pth file is read: an editable recon in there stays unknown.
        (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def call(program: Path, *arguments: str, home: Path) -> str:
    """What a program of the environment prints, where no other program is to be found."""
    done = subprocess.run(
        [program, *arguments],
        cwd=home,
        env={"PATH": "/nowhere", "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    if done.returncode:
        sys.exit(f"{program.name} {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def check(wheel: Path, fetch: bool) -> str:
    """Raises SystemExit at the first thing that does not work; returns what was seen."""
    with tempfile.TemporaryDirectory(prefix="recon-wheel-") as folder:
        home = Path(folder)
        programs = new_environment(home / "environment", wheel, fetch)
        where = call(programs / "python", "-c", "import recon; print(recon.__file__)", home=home)
        if not where.startswith(folder):
            sys.exit(f"The installed recon is not the wheel's, but {where}")
        recon = programs / "recon"
        version = call(recon, "--version", home=home).strip()
        torch = call(programs / "python", "-c", "import torch; print(torch.__version__)", home=home).strip()
        if "train" not in call(recon, "--help", home=home):
            sys.exit("recon --help does not name its commands.")
        doctor = call(recon, "doctor", home=home)
        if not re.search(r"engine cpu\W+(?!not here)\w", doctor):
            sys.exit(f"recon doctor does not find the CPU engine:\n{doctor}")
        photos = (str(PHOTOS / "input"), "--held-out", str(PHOTOS / "held_out"))
        report = json.loads(call(recon, "train", *photos, "--output", "run", *SHORT_FIT, home=home))
        if report["psnr"] < MIN_PSNR:
            sys.exit(f"A short fit of the bundled photos reaches {report['psnr']:.2f} dB, not {MIN_PSNR}.")
    fitted = f"doctor, help and a short fit work, {report['psnr']:.2f} dB"
    return f"{version} from {wheel.name} with torch {torch}: {fitted}."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--fetch", action="store_true", help="install what the wheel needs from the index")
    arguments = parser.parse_args()
    if faults := faults_of(arguments.wheel):
        sys.exit("\n".join(faults))
    print(check(arguments.wheel.resolve(), arguments.fetch))


if __name__ == "__main__":
    main()
