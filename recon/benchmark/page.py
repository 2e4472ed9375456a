"""Results as a static page: sortable tables beside published numbers, pictures and error maps of each scene.

Nothing in it is fetched; names are escaped. Local scores of SpaRe carry their label, and its leaderboard's
figures are in no table.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from recon.benchmark.pictures import ERROR, ERROR_COLOURS, MAX_ERROR, PHOTO, SHOWN, file_name
from recon.benchmark.protocols import PROTOCOLS, Protocol
from recon.benchmark.results import Run, read_result, run_of
from recon.benchmark.tables import COSTS, Row, Sheet, make_sheet, published_means
from recon.errors import InputError
from recon.files import atomic_file


@dataclass(frozen=True)
class Found:
    """A result, and where its pictures may lie."""

    result: dict[str, Any]
    pictures: Path


@dataclass
class Site:
    """A page, and the pictures beside it."""

    sections: list[str] = field(default_factory=list)
    pictures: dict[str, Path] = field(default_factory=dict)
    """By address relative to the page, the files to copy there."""


def find_results(places: list[Path]) -> list[Found]:
    """The results in files and below folders. Raises InputError: none, a damaged one, an unknown protocol."""
    paths = [
        path for place in places for path in ([place] if place.is_file() else sorted(place.rglob("*.json")))
    ]
    found = [Found(read_result(path), path.with_suffix("")) for path in dict.fromkeys(paths)]
    if not found:
        raise InputError(
            f"{', '.join(map(str, places))}: no results there; name folders that recon bench wrote."
        )
    unknown = [f for f in found if f.result.get("protocol") not in PROTOCOLS]
    if unknown:
        name = unknown[0].result.get("protocol")
        raise InputError(
            f"{unknown[0].pictures}.json is of a protocol {name!r}, which there is not; leave it out."
        )
    return found


def sheets_of(found: list[Found]) -> list[tuple[Protocol, list[Found]]]:
    """Results that belong into one table: of one protocol, measured alike."""
    alike = defaultdict(list)
    for one in found:
        metrics = one.result["metrics"]
        alike[one.result["protocol"], metrics.get("masks", "none"), _measured(metrics)].append(one)
    names = list(PROTOCOLS)
    return [(PROTOCOLS[key[0]], alike[key]) for key in sorted(alike, key=lambda key: names.index(key[0]))]


def make_site(found: list[Found]) -> Site:
    """A section for each table."""
    site = Site()
    for number, (protocol, members) in enumerate(sheets_of(found)):
        sheet = make_sheet(protocol, [one.result for one in members])
        measured = _measured(members[0].result["metrics"])
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
        parts += _scenes(members, f"pictures/{number}", site.pictures)
        site.sections.append("\n".join([*parts, "</section>"]))
    return site


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


def _measured(metrics: dict[str, Any]) -> str:
    feed = f" on {metrics['lpips_range']}" if "lpips_range" in metrics else ""
    return f"SSIM: {metrics['ssim_window']}; LPIPS: {metrics['lpips_net']}{feed}."


def _scenes(members: list[Found], address: str, copied: dict[str, Path]) -> list[str]:
    """Pictures of each scene and number of views, by the lowest seed of each run; fills `copied`."""
    scenes: dict[tuple[str, int], dict[Run, Found]] = defaultdict(dict)
    for one in sorted(members, key=lambda f: f.result["seed"]):
        if one.pictures.is_dir():
            scenes[one.result["scene"], one.result["views"]].setdefault(run_of(one.result), one)
    parts = []
    for number, ((scene, views), runs) in enumerate(sorted(scenes.items(), key=lambda item: item[0])):
        parts.append(f"<h3>{escape(scene)}, {views} views</h3>")
        names = list(next(iter(runs.values())).result["per_view"])
        for index, name in enumerate(names):
            figures = _figures(runs, index, f"{address}-{number}", copied)
            if figures:
                caption = f"<figcaption>{escape(name)}, the photo</figcaption>"
                parts.append(
                    f'<div class="view"><figure>{figures[0]}{caption}</figure>{"".join(figures[1:])}</div>'
                )
    return [_scale(), *parts] if parts else []


def _figures(runs: dict[Run, Found], index: int, address: str, copied: dict[str, Path]) -> list[str]:
    """The photo's element, then a figure a run; nothing where no run kept this view."""
    figures, photo = [], ""
    for number, (run, one) in enumerate(runs.items()):
        paths = {kind: one.pictures / file_name(index, kind) for kind in (PHOTO, SHOWN, ERROR)}
        if not all(path.is_file() for path in paths.values()):
            continue
        images = {}
        for kind, path in paths.items():
            at = f"{address}-{number}-{path.name}"
            images[kind] = f'<img src="{at}" alt="{kind}" loading="lazy">'
            if kind != PHOTO or not photo:
                copied[at] = path
        photo = photo or images[PHOTO]
        scores = list(one.result["per_view"].values())[index]
        masked = scores.get("psnr_masked")
        said = f"{run.method}, {scores['psnr']:.2f} dB" + (f", object {masked:.2f} dB" if masked else "")
        twin = sum(other.method == run.method for other in runs) > 1
        label = escape(f"{said}; {run}" if twin else said)
        figures.append(f"<figure>{images[SHOWN]}{images[ERROR]}<figcaption>{label}</figcaption></figure>")
    return [photo, *figures] if figures else []


def _scale() -> str:
    colours = ", ".join(f"rgb({', '.join(str(round(255 * c)) for c in rgb)})" for rgb in ERROR_COLOURS)
    return (
        f'<p class="scale">Below each picture: its difference from the photo, 0 <span style="background: '
        f'linear-gradient(to right, {colours})"></span> {MAX_ERROR} or more (colours in [0, 1]).</p>'
    )


def html_of(site: Site) -> str:
    """The whole page."""
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
{"".join(site.sections)}
<script>{_asset("page.js")}</script>
</html>
"""


def write_site(site: Site, output: Path) -> Path:
    """The pictures, and then index.html, whose path is returned."""
    (output / "pictures").mkdir(parents=True, exist_ok=True)
    for address, path in site.pictures.items():
        with atomic_file(output / address) as file:
            file.write(path.read_bytes())
    with atomic_file(output / "index.html") as file:
        file.write(html_of(site).encode())
    return output / "index.html"


def _asset(name: str) -> str:
    return (files("recon.benchmark") / name).read_text()
