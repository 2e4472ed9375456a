"""What is shipped: the files of wheels and source archives, their tag, what the compiler is told."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from commands import ROOT

CORE = Path("recon/rendering/core")
BUILD = "from setuptools.build_meta import build_sdist, build_wheel; build_sdist('dist'); build_wheel('dist')"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a wheel and a source archive made without a compiler, and what was said meanwhile."""
    copy = tmp_path_factory.mktemp("shipped")
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors", "supersplat")
    shutil.copytree(ROOT / "recon", copy / "recon", ignore=ignored)
    nowhere = {"CC": "/nowhere/cc", "CXX": "/nowhere/c++"}
    done = subprocess.run(
        [sys.executable, "-c", BUILD], cwd=copy, env=os.environ | nowhere, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return copy / "dist", done.stderr


def test_without_a_compiler_the_package_installs_and_one_sentence_says_what_is_missing(shipped):
    said = [line for line in shipped[1].splitlines() if line.startswith("recon: ")]
    assert len(said) == 1 and "/nowhere/c++" in said[0] and said[0].endswith("or use a CUDA GPU.")


def test_the_source_archive_holds_all_that_is_compiled_and_nothing_compiled(shipped):
    (archive,) = shipped[0].glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {str(Path(*Path(name).parts[1:])) for name in tar.getnames()}
    sources = {
        str(path.relative_to(ROOT)) for suffix in ("cpp", "h") for path in (ROOT / CORE).glob(f"*.{suffix}")
    }
    assert sources and sources | {"setup.py", "LICENSE", "recon/py.typed"} <= names
    assert not [name for name in names if name.endswith(".so")]


def test_one_wheel_serves_every_python_of_a_platform_and_takes_no_core_from_the_checkout(shipped):
    (wheel,) = shipped[0].glob("*.whl")
    assert re.match(r"recon-[\d.]+-py3-none-(?!any)", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        required = re.findall(r"^Requires-Python: (.*)$", archive.read(metadata).decode(), flags=re.M)
    assert required == [">=3.10"]
    assert not [name for name in names if name.endswith(".so")], "those of the checkout may be old"


def test_no_build_is_made_for_the_machine_it_is_made_on():
    """The core without a suffix runs on every x86-64; the processor chooses among the others at run time."""
    script = (ROOT / "setup.py").read_text()
    builds = dict(re.findall(r'"(\w+)": \[(.*?)\]', script))
    assert builds["base"] == ""
    assert set(re.findall(r"-m\w+=[\w-]+", "".join(builds.values()))) == {
        "-march=x86-64-v3",
        "-march=x86-64-v4",
    }
    assert "native" not in re.sub(r"#.*", "", script)


def test_the_changelog_begins_with_the_version_of_the_package():
    (version,) = re.findall(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), flags=re.M)
    heading = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)[0]
    assert heading.split(",")[0] == version
