"""What the benches of fits with uncertain cameras have in common: their options, and the rows they print."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def options_parser(
    description: str | None, scenes: Sequence[str], views: Sequence[int], choices: Sequence[str] | None = None
) -> argparse.ArgumentParser:
    """Their common options: scenes and numbers of views that are taken where none are given, and the scenes
    to choose from, if not all."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the captures")
    parser.add_argument("--scenes", nargs="+", default=[*scenes], choices=choices)
    parser.add_argument("--views", nargs="+", type=int, default=[*views])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--max-size", type=int, default=512)
    parser.add_argument("--no-fit", action="store_true", help="cameras alone")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, help="JSON, a line a row")
    return parser


def show_head(columns: Sequence[str]) -> None:
    """The head of the table."""
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|", flush=True)


def show_row(row: Mapping[str, object], columns: Sequence[str], output: Path | None) -> None:
    """A line of the table, and of the file `output`."""
    print("| " + " | ".join(_cell(row.get(column)) for column in columns) + " |", flush=True)
    if output:
        with output.open("a") as file:
            file.write(json.dumps(row) + "\n")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)
