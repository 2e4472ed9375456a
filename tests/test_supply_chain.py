"""What is installed with the package: licences on a list, no encoder under the GPL, known versions, holes."""

import importlib.metadata as metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "scripts"))

from audit import holes, others, pinned_versions  # noqa: E402

PYPROJECT = (ROOT / "pyproject.toml").read_text()

ALLOWED = {
    *(
        "apache-2.0",
        "mit",
        "mit-cmu",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "0bsd",
        "isc",
        "zlib",
        "cc0-1.0",
    ),
    *("psf-2.0", "python-2.0", "bsl-1.0", "unlicense", "hpnd", "mpl-2.0"),
    *("apache 2.0", "apache license", "apache software license", "apache license 2.0", "mit license"),
    *("the mit license (mit)", "bsd license", "mozilla public license 2.0 (mpl 2.0)", "modified bsd license"),
    *("llvm-exception", "python software foundation license", "apache license, version 2.0", "bsd 3-clause"),
    *("zpl-2.1", "new bsd", "3-clause bsd license", "bsd-3-clause license", "isc license (iscl)"),
}
"""Permissive, or by the file as the MPL."""
PROPRIETARY = re.compile(r"nvidia-|cuda-")
"""CUDA's libraries, which torch installs on Linux."""
UNSTATED = {"gsplat": "Apache-2.0, in its LICENSE file"}
"""Packages whose metadata say nothing."""
GPL_LIBRARIES = re.compile(
    r"lib(x264|x265|xvidcore|postproc|rubberband|vidstab|frei0r)\b|imageio_ffmpeg/binaries"
)
"""What makes a wheel a work under the GPL whatever its metadata say."""


def listed(key: str) -> list[str]:
    """The requirements that pyproject.toml lists under `key`; Python 3.10 reads no TOML."""
    match = re.search(rf"^{key} = \[(.*?)(?:^\]|\]$)", PYPROJECT, flags=re.S | re.M)
    assert match, key
    return re.findall(r'"([^"]+)"', match[1])


def closure(requirements: list[str], find: Callable[[str], metadata.Distribution]) -> Iterator:
    """The distributions that are installed for them, each once."""
    queue, seen = [Requirement(text) for text in requirements], set()
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        if name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        try:
            found = find(requirement.name)
        except metadata.PackageNotFoundError:
            continue  # for another platform
        yield found
        queue += [Requirement(text) for text in found.requires or []]


def licences(found: metadata.Distribution) -> set[str]:
    """What the metadata say, in lower case: the expression's parts, or the field, or the classifiers."""
    data = found.metadata
    expression = data.get("License-Expression") or ""
    parts = {part.strip(" ()").lower() for part in re.split(r"\b(?:AND|OR|WITH)\b", expression)} - {""}
    classifiers = [
        text.split(" :: ")[-1].lower()
        for text in data.get_all("Classifier") or []
        if text.startswith("License :: ") and text != "License :: OSI Approved"
    ]
    field = (data.get("License") or "").strip().split("\n")[0].lower()
    stated = {part.strip() for part in re.split(r"\band\b|/", field)} - {""}
    # Some put the whole text there.
    is_name = len(field) < 60 and ":" not in field and not field.startswith("copyright")
    return parts or (stated if is_name else set()) or set(classifiers)


def faults(found: metadata.Distribution) -> list[str]:
    """Why a distribution may not be installed by default."""
    name = canonicalize_name(found.metadata["Name"])
    if PROPRIETARY.match(name):
        return []
    stated = licences(found)
    said = [f"{name}: {licence!r} is not on the list" for licence in sorted(stated - ALLOWED)]
    if not stated and name not in UNSTATED:
        said.append(f"{name} states no licence")
    said += [f"{name} holds {file}" for file in found.files or [] if GPL_LIBRARIES.search(str(file))]
    return said


def test_what_is_installed_by_default_is_under_licences_of_the_list():
    found = list(closure(listed("dependencies"), metadata.distribution))
    assert len(found) > 25
    assert [fault for distribution in found for fault in faults(distribution)] == []


BAD = {
    "gpl": ("License-Expression: GPL-3.0-or-later", "bad/__init__.py"),
    "gpl among others": ("License-Expression: MIT AND GPL-2.0-only", "bad/__init__.py"),
    "a classifier": (
        "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
        "bad/a.py",
    ),
    "non-commercial": ("License: CC-BY-NC-4.0", "bad/__init__.py"),
    "no word of it": ("Summary: x", "bad/__init__.py"),
    "a GPL encoder within": ("License-Expression: MIT", "bad.libs/libx264-d6533a8d.so.165"),
    "an FFmpeg program within": ("License: BSD-2-Clause", "imageio_ffmpeg/binaries/ffmpeg-linux"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_package_anywhere_below_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    line, file = BAD[kind]
    for name, lines in (("good", "License: MIT\nRequires-Dist: bad-one"), ("bad-one", line)):
        folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{lines}\n")
        (folder / "RECORD").write_text(f"{file},,\n" if name == "bad-one" else "good/__init__.py,,\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    found = list(closure(["good>=1"], metadata.distribution))
    assert [distribution.metadata["Name"] for distribution in found] == ["good", "bad-one"]
    assert faults(found[0]) == []
    assert faults(found[1])


def test_encoders_under_the_gpl_are_asked_for_by_name():
    """Their wheels are what the list would refuse."""
    for extra in ("video", "heic"):
        refused = [fault for d in closure(listed(extra), metadata.distribution) for fault in faults(d)]
        assert refused, extra


def test_known_versions_are_within_the_ranges_and_complete():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in pins)
    known = {canonicalize_name(pin.name): str(pin.specifier)[2:] for pin in pins}
    for key in ("dependencies", "bench", "video", "heic", "dev"):
        for requirement in map(Requirement, listed(key)):
            version = known[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}"


HOLED = {
    "torch": "2.9.1",  # CVE-2026-24747: memory corruption by weights_only
    "pillow": "12.1.1",  # CVE-2026-40192: a bomb in FITS
    "viser": "1.0.21",  # serves files outside of its folder
    "ray": "2.53.0",  # CVE-2026-27482: jobs can be deleted by any page
}
"""The last versions before a hole was mended that matters here."""


@pytest.mark.parametrize("name", HOLED)
def test_versions_with_a_hole_that_matters_are_outside_the_ranges(name: str):
    (wanted,) = [
        r for key in ("dependencies", "bench") for r in map(Requirement, listed(key)) if r.name == name
    ]
    assert not wanted.specifier.contains(HOLED[name])


REPORT = {
    "dependencies": [
        {"name": "good", "version": "1.0", "vulns": []},
        {
            "name": "bad",
            "version": "2.0",
            "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1"], "description": "x"}],
        },
        {"name": "unknown", "skip_reason": "is on no index"},
    ]
}


def audited(folder: Path, content: str) -> tuple[int, str]:
    """What scripts/audit.py ends with and says, with a pip-audit of this `content`."""
    (folder / "pip_audit.py").write_text(content)
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "audit.py"],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_hole_is_named_with_what_mends_it(tmp_path: Path):
    assert holes(json.dumps(REPORT)) == ["bad 2.0: PYSEC-1, CVE-1; mended by 2.1."]
    code, said = audited(tmp_path, f"print({json.dumps(REPORT)!r})")
    assert code == 1 and said.endswith("bad 2.0: PYSEC-1, CVE-1; mended by 2.1.\n")
    code, said = audited(tmp_path, """print('{"dependencies": []}')""")
    assert code == 0 and "No hole is known in the " in said


def test_without_a_network_the_audit_says_in_a_sentence_that_it_told_nothing(tmp_path: Path):
    code, said = audited(tmp_path, "raise ConnectionError('no route to the index')")
    assert code == 3 and "Traceback" not in said
    assert "The list of known holes gives no answer (ConnectionError: no route to the index);" in said


def test_packages_that_are_not_the_pinned_ones_are_told():
    pins = pinned_versions("# numpy==0\npytest==1.0\nno-such-package==3\n")
    assert [(name, pinned) for name, pinned, _ in others(pins)] == [("pytest", "1.0")]
