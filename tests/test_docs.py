"""The documentation's site: it is built without a warning and without a network, and what it shows runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from commands import ROOT, save_noise

from recon import datasets
from recon.cli import parse
from recon.datasets import DataConfig, layouts
from recon.gaussians import Gaussians
from recon.methods.priors import single_view
from recon.methods.table import METHODS

sys.path.append(str(ROOT / "scripts"))
from site_hooks import COMMANDS, help_of  # noqa: E402

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.S | re.M)


def test_code_on_the_pages_is_an_example_or_run_below():
    for page in PAGES:
        assert not blocks(page, "python") or page.name == "extending.md", page.name
        for name in re.findall(r"<!-- example (\S+) -->", page.read_text()):
            assert (ROOT / "examples" / name).is_file(), name


def test_the_command_line_understands_what_the_pages_say():
    said = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    assert len(said) >= 5
    for line in said:
        parse(shlex.split(line)[1:])


OPTIONS_OF_OTHERS = ("benchmarks.md", "nerfstudio.md", "repair-network.md", "stereo-network.md")
"""Pages that name options of scripts and of nerfstudio beside recon's."""
CALLS = (["train", "PHOTOS"], ["export", "RUN"], ["view", "RUN"], ["bench", "llff", "--data", "DIR"])


def options(page: Path) -> list[str]:
    """What a page calls an option, with a value or without."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    return re.findall(r"`(?:recon \w+ )?(--[^`\n]+)`", text)


def test_the_command_line_has_every_option_that_the_pages_name(capsys):
    known = {"--debug", "--help"}.union(*(re.findall(r"--[\w.-]+", help_of(name)) for name in COMMANDS))
    named = {o for page in PAGES if page.name not in OPTIONS_OF_OTHERS for o in options(page)}
    assert len(named) > 20
    for option in sorted(named):
        name, _, value = option.partition(" ")
        assert name in known, option
        chosen = bool(value) and not value.isupper()  # else what stands for a value
        assert not chosen or any(understood([*call, *shlex.split(option)]) for call in CALLS), option


def understood(arguments: list[str]) -> bool:
    try:
        parse(arguments)
    except SystemExit as refused:
        return not refused.code
    return True


def indented(page: Path) -> list[str]:
    """Commands that stand by themselves, without their comments."""
    text = re.sub(r"```.*?```|^::: .*?^$", "", page.read_text(), flags=re.S | re.M)
    return [re.sub(r"  +#.*", "", line) for line in re.findall(r"^ {4}(\S.*)$", text, flags=re.M)]


def test_what_stands_by_itself_is_run_or_checked_somewhere():
    """Lines for the shell; nerfstudio's own are in tests/nerfstudio."""
    extras = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), flags=re.M))
    rules = set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), flags=re.M))
    seen = set()
    for page in PAGES:
        for line in indented(page):
            program, *rest = shlex.split(line)
            seen.add(program)
            match program:
                case "make":
                    assert rest[0] in rules, line
                case "recon":
                    parse(rest)
                case "pip":
                    assert set(re.findall(r"\[(\w+)\]", line)) <= extras, line
                case "python":
                    assert rest[:2] == ["-m", "recon.nerfstudio"], line
                case _:
                    by_nerfstudio = page.name == "nerfstudio.md" and program.startswith("ns-")
                    assert by_nerfstudio or page.name in ("conventions.md", "benchmarks.md"), line
    assert {"make", "recon", "pip", "ns-train"} <= seen


def test_the_formulas_of_the_conventions_hold():
    generator = torch.Generator().manual_seed(0)
    a_from_b, b_from_c, camera_from_world = (torch.rand(4, 4, generator=generator) for _ in range(3))
    names = {"a_from_b": a_from_b, "b_from_c": b_from_c, "camera_from_world": camera_from_world}
    names["xyz_in_world"] = torch.tensor([1.0, 2.0, 3.0, 1.0])
    lines = [line for line in indented(DOCS / "conventions.md") if " = " in line and "@" in line]
    assert len(lines) == 2
    exec("\n".join(lines), names)
    through = names["a_from_c"] @ names["xyz_in_world"]
    assert torch.allclose(through, a_from_b @ (b_from_c @ names["xyz_in_world"]))
    assert names["xyz_in_camera"].shape == (4,)


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> dict:
    """What the code of the page on adding things leaves behind, in tables of its own."""
    monkeypatch.setattr(layouts, "LAYOUTS", dict(layouts.LAYOUTS))
    monkeypatch.setattr(single_view, "NETWORKS", {})
    saved = dict(METHODS)
    names: dict = {"__name__": "page"}
    for block in blocks(DOCS / "extending.md", "python"):
        exec(compile(block, "extending.md", "exec"), names)
    methods = dict(METHODS)
    METHODS.clear()
    METHODS.update(saved)
    return {**names, "methods": methods}


def test_what_is_added_by_the_page_works(added, small_truth, tmp_path):
    from types import SimpleNamespace

    ones = torch.ones(4, 3)
    gaussians = Gaussians(
        ones, torch.ones(4, 4), ones * 0, torch.ones(4), ones[:, None], ones[:, None][:, :0]
    )
    moment = SimpleNamespace(gaussians=gaussians, stereo=small_truth.stereo)
    loss = added["Size"](added["SizeConfig"](weight=2.0)).loss(moment)
    assert float(loss.detach()) == pytest.approx(2 / small_truth.stereo.scale)

    network = single_view.NETWORKS["higher-is-farther"]("", torch.device("cpu"))
    assert network(torch.rand(6, 8, 3)).shape == (6, 8) and network.kind == "disparity"
    assert added["methods"]["still"][1].dropout.max_rate == 0.0
    for seed, name in enumerate("ab"):
        save_noise(tmp_path / "frames" / f"{name}.png", seed, 48, 36)
    assert datasets.load(DataConfig(tmp_path)).train.names == ("a.png", "b.png")


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_or_a_request(tmp_path):
    pytest.importorskip("mkdocstrings", reason="mkdocs is not installed: the extra docs")
    pytest.importorskip("material", reason="mkdocs-material is not installed: the extra docs")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    pages = {page.name: page.read_text() for page in tmp_path.glob("*.html")}
    assert {f"{page.stem}.html" for page in PAGES} <= set(pages)
    assert "--sensor-depth" in pages["cli.html"] and "recon doctor" in pages["cli.html"]
    for name in ("load", "solve_cameras", "fit", "render", "export", "show"):
        assert f'id="recon.api.{name}"' in pages["api.html"]
    assert "cor-gs" in pages["methods.html"] and "solve_cameras" in pages["index.html"]
    fetched = re.compile(r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="https?://')
    assert [name for name, text in pages.items() if fetched.search(text)] == []
