"""What the documentation's site makes of its pages: the help of the commands, the table of the methods and
the examples come from the code, and links to files that the site does not hold become their names."""

import contextlib
import io
import os
import re
from pathlib import Path
from typing import Any

COMMANDS = ("train", "view", "export", "bench", "methods", "doctor")
ROOT = Path(__file__).parents[1]
EXAMPLE = re.compile(r"<!-- example (\S+) -->")
OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)\s]+)\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """mkdocs calls it with each page before it is rendered."""
    markdown = OUTSIDE.sub(lambda link: outside(link[1], link[2]), markdown)
    markdown = EXAMPLE.sub(lambda mark: example(mark[1]), markdown)
    for mark, make in (("<!-- commands -->", commands), ("<!-- methods -->", methods)):
        if mark in markdown:
            markdown = markdown.replace(mark, make())
    return markdown


def example(name: str) -> str:
    """The code of an example; the tests run it."""
    code = (ROOT / "examples" / name).read_text().split('"""', 2)[2].strip()
    return f"```python\n{code}\n```"


def outside(text: str, target: str) -> str:
    """A link to a file beside the site: its words, and where it lies unless they say so."""
    path = target.partition("#")[0]
    return text if text.strip("`") in path else f"{text} (`{path}`)"


def commands() -> str:
    """The help of every command, as the terminal shows it."""
    return "\n\n".join(f"## recon {name}\n\n```text\n{help_of(name)}\n```" for name in COMMANDS)


def help_of(command: str) -> str:
    """What `recon COMMAND --help` prints, 100 characters wide."""
    from recon.cli import parse

    said = io.StringIO()
    width, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), "100"
    try:
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            parse([command, "--help"])
    finally:
        os.environ.pop("COLUMNS") if width is None else os.environ.update(COLUMNS=width)
    return re.sub(r"\x1b\[[0-9;]*m", "", said.getvalue()).strip("\n")


def methods() -> str:
    """What `recon methods` lists."""
    from recon.methods.published import PUBLISHED
    from recon.methods.table import METHODS

    rows = ["| Method | What it is | Paper | PSNR / SSIM / LPIPS there | From |", "|---|---|---|---|---|"]
    for name, (description, _) in METHODS.items():
        cells = [str(cell) for cell in PUBLISHED.get(name, ("", "", ""))]
        rows.append(f"| `{name}` | {description} | " + " | ".join(cells) + " |")
    return "\n".join(rows)
