"""Builds the results page, and the tables of docs/benchmarks.md, from the JSON files of `recon bench`.

    python scripts/results_page.py docs/results/* runs/bench --output site   # site/index.html, site/pictures
    python scripts/results_page.py --document docs/benchmarks.md             # its tables anew
    python scripts/results_page.py docs/results/* --markdown                 # tables to paste

The page fetches nothing. Pictures and error maps are those that a run kept beside its JSON files.
In a document a table stands between <!-- results: PATH ... --> and <!-- end of results -->, with paths
relative to the repository.
"""

import argparse
import re
import sys
from pathlib import Path

from recon.benchmark.collect import find_results, sheets_of
from recon.benchmark.page import write_site
from recon.benchmark.tables import make_sheet, markdown_table
from recon.errors import InputError
from recon.files import atomic_file

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- results: (.+?) -->\n).*?(<!-- end of results -->)", flags=re.S)


def markdown(places: list[Path]) -> str:
    """The tables of some results, one below the other."""
    tables = (
        make_sheet(protocol, [f.result for f in found]) for protocol, found in sheets_of(find_results(places))
    )
    return "\n".join(map(markdown_table, tables))


def with_tables(text: str) -> str:
    """A document with every table between marks made anew."""

    def fill(match: re.Match[str]) -> str:
        return f"{match[1]}\n{markdown([ROOT / place for place in match[2].split()])}\n{match[3]}"

    return BLOCK.sub(fill, text)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="*", help="JSON files, or folders of them")
    parser.add_argument("--output", type=Path, help="folder of the page")
    parser.add_argument("--markdown", action="store_true", help="print tables instead")
    parser.add_argument("--document", type=Path, help="a Markdown file whose marked tables are made anew")
    args = parser.parse_args(argv)
    if not (args.document or args.results and (args.output or args.markdown)):
        parser.error("name results, and --output FOLDER or --markdown; or a --document.")
    try:
        if args.document:
            text = with_tables(args.document.read_text())
            with atomic_file(args.document) as file:
                file.write(text.encode())
        if args.markdown:
            print(markdown(args.results))
        if args.output:
            print(write_site(find_results(args.results), args.output))
    except InputError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
