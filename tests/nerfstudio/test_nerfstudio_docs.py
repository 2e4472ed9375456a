"""nerfstudio's own commands understand what the page on it says."""

import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from commands import ROOT

pytestmark = [pytest.mark.nerfstudio, pytest.mark.usefixtures("nerfstudio")]

PAGE = (ROOT / "docs" / "nerfstudio.md").read_text()
LINES = [re.sub(r"  +#.*", "", line) for line in re.findall(r"^ {4}(ns-\S+ .*)$", PAGE, flags=re.M)]


def reader_of(program: str) -> Any:
    """The type that a command's options make."""
    from nerfstudio.configs import method_configs
    from nerfstudio.scripts import eval, exporter, render
    from nerfstudio.scripts.viewer import run_viewer

    return {
        "ns-train": method_configs.AnnotatedBaseConfigUnion,
        "ns-viewer": run_viewer.RunViewer,
        "ns-eval": eval.ComputePSNR,
        "ns-render": render.Commands,
        "ns-export": exporter.Commands,
    }[program]


def test_the_page_shows_every_command():
    assert {line.split()[0] for line in LINES} == {
        "ns-train",
        "ns-viewer",
        "ns-eval",
        "ns-render",
        "ns-export",
    }


@pytest.mark.parametrize("line", LINES)
@pytest.mark.filterwarnings("ignore")
def test_a_command_of_the_page_is_understood(line: str):
    import tyro

    read: Callable[..., object] = tyro.cli
    program, *options = shlex.split(line)
    assert read(reader_of(program), args=options) is not None
