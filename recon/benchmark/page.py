"""Results as a static page: sortable tables beside published numbers, pictures and error maps of each scene.

Nothing in it is fetched; names are escaped. Local scores of SpaRe carry their label, and its leaderboard's
figures are in no table.
"""

from html import escape
from importlib.resources import files
from pathlib import Path

from recon.benchmark.collect import Found, how_measured, sheets_of
from recon.benchmark.gallery import Copies, gallery
from recon.benchmark.protocols import Protocol
from recon.benchmark.tables import COSTS, Row, Sheet, make_sheet, published_means
from recon.files import atomic_file


def write_site(found: list[Found], output: Path) -> Path:
    """The pictures, and then index.html, whose path is returned."""
    copies = Copies()
    html = make_page(found, copies)
    (output / "pictures").mkdir(parents=True, exist_ok=True)
    for address, path in copies.paths.items():
        with atomic_file(output / address) as file:
            file.write(path.read_bytes())
    with atomic_file(output / "index.html") as file:
        file.write(html.encode())
    return output / "index.html"


def make_page(found: list[Found], copies: Copies) -> str:
    """The whole page, a section for each table; `copies` takes its pictures."""
    sections = [_section(protocol, members, copies) for protocol, members in sheets_of(found)]
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>recon: benchmarks</title>
<style>{_asset("page.css")}</style>
<h1>recon: benchmarks</h1>
<p>Means over seeds with their standard deviation; seconds of stereo and fit, their median. Rows in italics
were published by others, with other first points and at times other code for the metrics: read them with
their source. A click on a heading sorts.</p>
{"".join(sections)}
<script>{_asset("page.js")}</script>
</html>
"""


def _section(protocol: Protocol, members: list[Found], copies: Copies) -> str:
    """The table of some results, what others published, pictures."""
    sheet = make_sheet(protocol, [one.result for one in members])
    measured = how_measured(members[0].result["metrics"])
    about = f"{protocol.about[0].upper()}{protocol.about[1:]}. {measured} Source: {protocol.source}."
    parts = [
        f"<section><h2>{escape(protocol.name)}</h2>",
        f"<p>{escape(about)}</p>",
        html_table(sheet),
        *(f'<p class="note">{escape(note)}</p>' for note in sheet.notes),
    ]
    means = published_means(protocol)
    if means.groups:
        title = f"Published means over all {len(protocol.scenes)} scenes"
        parts.append(f"<details><summary>{title}</summary>{html_table(means)}</details>")
    return "\n".join([*parts, gallery(members, copies), "</section>"])


def html_table(sheet: Sheet) -> str:
    """Sortable by a click on a heading."""
    header = ("scene", "views", "method", "first points", *sheet.scores, *COSTS, "source")
    kinds = ("", "number", "", "wordy", *["number"] * (len(header) - 5), "wordy")
    head = "".join(
        f'<th scope="col" class="{kind}"><button type="button">{escape(name)}</button></th>'
        for kind, name in zip(kinds, header, strict=True)
    )
    lines = (_line(row, kinds) for rows in sheet.groups for row in rows)
    return (
        f'<div class="wide"><table class="sortable"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _line(row: Row, kinds: tuple[str, ...]) -> str:
    cells = (row.scene, str(row.views), row.method, row.points, *row.scores, *row.costs, row.source)
    columns = "".join(f'<td class="{k}">{escape(c)}</td>' for k, c in zip(kinds, cells, strict=True))
    return f'<tr class="{"published" if row.published else "own"}">{columns}</tr>'


def _asset(name: str) -> str:
    return (files("recon.benchmark") / name).read_text()
