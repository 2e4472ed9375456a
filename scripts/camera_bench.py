"""What the benches of fits with uncertain cameras have in common: their options, the rows they print, and the
means of these.

    python scripts/bench_unposed.py ... --first-seed 2 --output rows/2.jsonl   # many such side by side
    python scripts/camera_bench.py rows/*.jsonl

The means are those over the seeds, for each scene, number of views and kind of cameras, with the deviation of
a seed in brackets; `less` is what is lost or won against the known cameras, by the seeds that both have.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev

SCORES = ("psnr", "psnr_aligned")
KNOWN = ("given", "true")
"""What the benches call cameras as the data set has them."""
MEANS = ("scene", "views", "cameras", "seeds", *(column for score in SCORES for column in (score, "less")))


def options_parser(
    description: str | None, scenes: Sequence[str], views: Sequence[int], choices: Sequence[str] | None = None
) -> argparse.ArgumentParser:
    """Their common options: scenes and numbers of views that are taken where none are given, and the scenes
    to choose from, if not all."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the captures")
    parser.add_argument("--scenes", nargs="+", default=[*scenes], choices=choices)
    parser.add_argument("--views", nargs="+", type=int, default=[*views])
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--max-size", type=int, default=512)
    # On flower's 3 views at 256 pixels 25 steps reach 22.929 dB, 50 22.965, and 100 to 300 22.971.
    parser.add_argument("--align", type=int, default=100, help="steps of a held-out photo's alignment")
    parser.add_argument("--no-fit", action="store_true", help="cameras alone")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, help="JSON, a line a row")
    return parser


def seeds(options: argparse.Namespace) -> range:
    """Those that are asked for."""
    return range(options.first_seed, options.first_seed + options.seeds)


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
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
    return str(value)


Key = tuple[str, int]


def means(rows: Sequence[Mapping[str, object]]) -> Iterator[list[str]]:
    """The cells of a line for each scene, number of views and kind of cameras."""
    by_key: dict[Key, dict[str, dict[int, Mapping[str, object]]]] = {}
    for row in rows:
        ways = by_key.setdefault((str(row["scene"]), int(str(row["views"]))), {})
        way = str(row.get("cameras", row.get("way")))
        ways.setdefault("known" if way in KNOWN else way, {})[int(str(row["seed"]))] = row
    for (scene, views), ways in sorted(by_key.items()):
        for way, by_seed in ways.items():
            cells = [scene, str(views), way, str(len(by_seed))]
            for score in SCORES:
                own = {seed: float(str(row[score])) for seed, row in by_seed.items()}
                known = {seed: float(str(row[score])) for seed, row in ways.get("known", {}).items()}
                both = own.keys() & known.keys()
                spread = f" ({stdev(own.values()):.2f})" if len(own) > 1 else ""
                less = fmean(own[seed] - known[seed] for seed in both) if both else None
                cells += [f"{fmean(own.values()):.2f}{spread}", "" if less is None else f"{less:+.2f}"]
            yield cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", nargs="+", type=Path, help="files that --output wrote")
    lines = [line for path in parser.parse_args().rows for line in path.read_text().splitlines()]
    show_head(MEANS)
    for cells in means([row for row in map(json.loads, lines) if row.get("psnr") is not None]):
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
