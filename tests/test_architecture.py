"""Rules that hold for the whole package and that no single test would notice breaking."""

import ast
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "recon"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

TRAIN_ONLY = [PACKAGE / "trainer.py", PACKAGE / "initialise.py", *sorted((PACKAGE / "methods").rglob("*.py"))]
"""What may not know the test views."""
DEVICE_FREE = [
    path
    for path in SOURCES
    if "rendering" not in path.parts
    and path.name not in ("cli.py", "cli_submit.py", "commands.py", "provenance.py", "memory.py")
]
"""Where devices come from the tensors. The command line names them; the last two have to ask the machine."""


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def names_scene(source: str) -> bool:
    """Whether code mentions the type Scene, imported, as an attribute or in a quoted annotation."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "Scene" for alias in node.names):
            return True
        if isinstance(node, ast.Attribute) and node.attr == "Scene":
            return True
        if isinstance(node, ast.Name) and node.id == "Scene":
            return True
        if isinstance(node, ast.Constant) and node.value in ("Scene", "scene.Scene"):
            return True
    return False


def device_strings(source: str) -> list[str]:
    """Uses of `.cuda` or of an accelerator by name, as code; prose is free to speak of them, and what goes to
    disk or to a browser may move to the host."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "cuda":
            found.append(ast.unparse(node))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value.split(":")[0] in ("cuda", "mps"):
                found.append(repr(node.value))
    return found


def test_the_checks_of_this_file_see_what_they_look_for():
    assert names_scene("from recon.scene import Cameras, Scene")
    assert names_scene("def f(x: 'Scene'): ...")
    assert names_scene("import recon.scene as s\ndef f(x: s.Scene): ...")
    assert not names_scene('"""The Scene."""\nfrom recon.scene import Views')
    assert device_strings("x.cuda()") and device_strings("f(device='cuda:0')")
    assert device_strings("torch.cuda.is_available()")
    assert not device_strings("'''On cuda.'''\nx.to(y.device)")


@pytest.mark.parametrize("path", TRAIN_ONLY, ids=short)
def test_priors_methods_and_the_loop_cannot_be_handed_test_views(path: Path):
    assert not names_scene(path.read_text())


@pytest.mark.parametrize("path", DEVICE_FREE, ids=short)
def test_devices_are_named_by_the_engines_and_the_command_line_alone(path: Path):
    assert device_strings(path.read_text()) == []


def test_no_file_grows_out_of_hand():
    lengths = {short(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_the_library_does_not_print():
    shells = {"__main__.py", "cli.py", "commands.py"}
    printing = [
        short(path)
        for path in SOURCES
        if path.name not in shells
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


@pytest.mark.parametrize("name", ["methods", "viewer", "datasets"])
def test_the_root_shows_the_map_by_relative_links(name: str):
    assert os.readlink(ROOT / name) == f"recon/{name}"


def test_names_of_test_files_are_unique():
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
