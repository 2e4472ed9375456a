"""Looks the versions of constraints.txt up in PyPI's list of known holes; needs a network and pip-audit.

.venv/bin/python scripts/audit.py
"""

import importlib.metadata as metadata
import json
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).parents[1] / "constraints.txt"
SECONDS = 600


def main() -> int:
    """1 if a hole is known, 3 if nobody could be asked."""
    pins = pinned_versions(PINS.read_text())
    for name, pinned, found in others(pins):
        print(f"Here is {name} {found}, not {pinned}: the holes below are those of {pinned}.")
    command = (
        "-m",
        "pip_audit",
        "--requirement",
        str(PINS),
        "--no-deps",
        "--disable-pip",
        "--format",
        "json",
    )
    done = subprocess.run(
        [sys.executable, *command, "--progress-spinner", "off"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if not done.stdout.startswith("{"):
        reason = (done.stderr.strip().splitlines() or ["no word of why"])[-1].partition("(")[0]
        print(f"The list of known holes gives no answer ({reason[:100]}); ask where there is a network.")
        return 3
    lines = holes(done.stdout)
    print("\n".join(lines) or f"No hole is known in the {len(pins)} packages.")
    return 1 if lines else 0


def pinned_versions(text: str) -> dict[str, str]:
    """Version by name of lines such as numpy==2.4.6."""
    pins = (line.split("==") for line in text.splitlines() if "==" in line and line[0] != "#")
    return {name.strip(): version.strip() for name, version in pins}


def others(pins: dict[str, str]) -> list[tuple[str, str, str]]:
    """(name, pinned version, version here) of packages of which another version is installed here."""
    found = []
    for name, version in pins.items():
        try:
            here = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
        if here != version:
            found.append((name, version, here))
    return found


def holes(report: str) -> list[str]:
    """One line for each hole in pip-audit's report: where it is, its names, and the version that mends it."""
    lines = []
    for package in json.loads(report)["dependencies"]:
        for hole in package.get("vulns", ()):
            mended = ", ".join(hole["fix_versions"]) or "nothing yet"
            names = ", ".join([hole["id"], *hole["aliases"]])
            lines.append(f"{package['name']} {package['version']}: {names}; mended by {mended}.")
    return lines


if __name__ == "__main__":
    sys.exit(main())
