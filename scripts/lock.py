"""Writes constraints.txt: the versions in this environment, with which the tests have passed.

.venv/bin/python scripts/lock.py
pip install --constraint constraints.txt .
"""

import importlib.metadata as metadata
import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OUTPUT = Path(__file__).parents[1] / "constraints.txt"
EXTRAS = ("dependencies", "bench", "video", "heic", "synthetic", "dev")
HEAD = "# Versions that are known to work together, by scripts/lock.py.\n"


def listed(pyproject: str, key: str) -> list[Requirement]:
    """The requirements under `key`; Python 3.10 reads no TOML."""
    match = re.search(rf"^{key} = \[(.*?)(?:^\]|\]$)", pyproject, flags=re.S | re.M)
    assert match, key
    return [Requirement(text) for text in re.findall(r'"([^"]+)"', match[1])]


def pins(requirements: list[Requirement]) -> dict[str, str]:
    """Version by name of all that is installed for the requirements."""
    versions: dict[str, str] = {}
    queue = list(requirements)
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        wanted = requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in (requirement.extras or {""})
        )
        if name in versions or not wanted:
            continue
        try:
            found = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            continue  # for another platform, or an extra that is not installed here
        # A build of torch for one device, such as 2.11.0+cpu, is on no index but its own.
        versions[name] = found.version.partition("+")[0]
        queue += [Requirement(text) for text in found.requires or []]
    return versions


def main() -> None:
    """Writes the file."""
    pyproject = (OUTPUT.parent / "pyproject.toml").read_text()
    versions = pins([requirement for key in EXTRAS for requirement in listed(pyproject, key)])
    lines = [f"{name}=={version}\n" for name, version in sorted(versions.items())]
    OUTPUT.write_text(HEAD + "".join(lines))


if __name__ == "__main__":
    main()
