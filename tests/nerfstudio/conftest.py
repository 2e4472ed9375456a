"""What the tests of the plug-in share: nerfstudio, where it is installed."""

import importlib.metadata
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from browsers import browser  # noqa: F401
from commands import ROOT

LPIPS_WEIGHTS = ROOT.parent / "shared" / "torch_home"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    try:
        importlib.metadata.version("nerfstudio")
    except importlib.metadata.PackageNotFoundError:
        skip = pytest.mark.skip(reason="nerfstudio is not installed here: make test-nerfstudio")
        for item in items:
            if item.get_closest_marker("nerfstudio"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def nerfstudio() -> None:
    """Imports it, and by its entry points our layers; its use of PyTorch's old names would be an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nerfstudio.configs.method_configs  # noqa: F401


@pytest.fixture(scope="session")
def call() -> Callable[..., str]:
    """Runs a command of the environment that the tests run in, in a folder, and returns what it said."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    if LPIPS_WEIGHTS.is_dir():
        environment["TORCH_HOME"] = str(LPIPS_WEIGHTS)

    def run(folder: Path, program: str, *arguments: object) -> str:
        command = [str(Path(sys.executable).parent / program), *map(str, arguments)]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{program}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout + done.stderr

    return run
