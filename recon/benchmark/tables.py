"""Results as tables: ours over the seeds, and what others published, beside each other."""

import statistics
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from rich.table import Table

from recon.benchmark.protocols import PROTOCOLS, Protocol
from recon.benchmark.published import Published
from recon.benchmark.results import Run, Summary, run_of, summarise

Groups = dict[tuple[str, int], dict[Run, Summary]]
"""By scene and number of views, then by run."""

CAPTIONS = {
    "white_composite": "Masked: PSNR over the object, SSIM and LPIPS of the object on white.",
    "crop_bbox": "Masked: PSNR over the object, SSIM and LPIPS in its bounding box.",
}
AVERAGE_ERROR = (
    "Average error: RegNeRF's, the geometric mean of 10^(-PSNR/10), sqrt(1 - SSIM) and LPIPS of a view."
)
OWN_POINTS = "stereo of the train photos"


@dataclass(frozen=True)
class Row:
    """One line: a run of ours, or what somebody published."""

    scene: str
    views: int
    method: str
    scores: tuple[str, ...]
    """In the order of Sheet.scores; empty where there is none."""
    costs: tuple[str, ...]
    """Seconds, Gaussians, GB; empty for published numbers."""
    points: str
    """What the first Gaussians came from."""
    source: str
    """Commit, engine and machine, or where a number was read."""
    published: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table of one protocol, however it is to be drawn."""

    scores: tuple[str, ...]
    """Headings of the scores."""
    groups: tuple[tuple[Row, ...], ...]
    """Rows of one scene and number of views."""
    notes: tuple[str, ...]


COSTS = ("seconds", "Gaussians", "GB")


def make_sheet(protocol: Protocol, results: list[dict]) -> Sheet:
    """A row a scene, number of views and run, published numbers below those of their scene, and means over
    the scenes of each data set. A published mean stands beside ours only if ours is over the same scenes."""
    metrics = results[0]["metrics"]
    masks = metrics.get("masks", "none")
    masked, average = masks != "none", protocol.average_error
    groups = []
    for (scene, views), runs in {**by_scene(results), **dict(means_of_parts(results))}.items():
        rows = [
            Row(
                *(scene, views, f"{run.method} ({s.seeds} seed{'s' * (s.seeds > 1)})"),
                *(_scores(s, masked, average), _costs(s), OWN_POINTS, str(run)),
            )
            for run, s in runs.items()
        ]
        whole = scene == f"mean of {len(protocol.scenes)}"
        others = protocol.published.get(("mean" if whole else scene, views), ())
        rows += [_published_row(scene, views, other, masked, average) for other in others]
        groups.append(tuple(rows))
    return Sheet(
        score_names(masked, average, metrics["lpips_net"]), tuple(groups), _notes(protocol, metrics, groups)
    )


def published_means(protocol: Protocol) -> Sheet:
    """What others published as means over all scenes of the protocol, a group a number of views."""
    masked = protocol.metrics.masks != "none"
    name = f"mean of {len(protocol.scenes)}"
    groups = tuple(
        tuple(_published_row(name, views, other, masked, average=False) for other in others)
        for (scene, views), others in protocol.published.items()
        if scene == "mean"
    )
    return Sheet(score_names(masked, False, "vgg"), groups, ())


def score_names(masked: bool, average: bool, net: str) -> tuple[str, ...]:
    """Headings in the order of the rows."""
    of_object = ("PSNR masked", "SSIM masked", "LPIPS masked") if masked else ()
    return (*of_object, "PSNR", "SSIM", f"LPIPS ({net})", *(("average error",) if average else ()))


def result_table(protocol: Protocol, results: list[dict]) -> Table:
    """The sheet for a terminal; runs are told apart there only where there are several."""
    sheet, first = make_sheet(protocol, results), run_of(results[0])
    table = Table(
        *("scene", "views", "method", *sheet.scores, *COSTS),
        title=f"{protocol.name}: {first}",
        caption=" ".join(sheet.notes),
    )
    for rows in sheet.groups:
        for row in rows:
            other = "" if row.published or row.source == str(first) else f", {row.source}"
            style = "dim" if row.published else None
            cells = (row.scene, str(row.views), row.method + other, *row.scores, *row.costs)
            table.add_row(*cells, style=style)
        table.add_section()
    return table


def markdown_table(sheet: Sheet) -> str:
    """The sheet for a page of documentation, with its notes and the runs' commits below."""
    header = ("Scene", "Views", "Method", "First points", *sheet.scores, *COSTS)
    rows = [row for group in sheet.groups for row in group]
    runs = list(dict.fromkeys(row.source for row in rows if not row.published))
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for row in rows:
        run = f" [{runs.index(row.source) + 1}]" if len(runs) > 1 and not row.published else ""
        cells = (row.scene, str(row.views), row.method + run, row.points, *row.scores, *row.costs)
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    named = [f"[{i}] {run}" for i, run in enumerate(runs, start=1)] if len(runs) > 1 else runs
    return "\n".join(
        [*lines, "", " ".join([*(f"{run[0].upper()}{run[1:]}." for run in named), *sheet.notes]), ""]
    )


def by_scene(results: list[dict]) -> Groups:
    """The seeds of each run summarised."""
    runs = defaultdict(lambda: defaultdict(list))
    for result in results:
        runs[result["scene"], result["views"]][run_of(result)].append(result)
    return {scene: {run: summarise(seeds) for run, seeds in by.items()} for scene, by in runs.items()}


def means_of_parts(results: list[dict]) -> Iterator[tuple[tuple[str, int], dict[Run, Summary]]]:
    """The mean over the scenes of each data set that has several, of runs that have all of them; data sets of
    a protocol are never mixed."""
    parts = defaultdict(set)
    for result in results:
        parts[result.get("part", ""), result["views"]].add(result["scene"])
    for (part, views), scenes in sorted(parts.items()):
        groups = by_scene([r for r in results if r["scene"] in scenes and r["views"] == views])
        first, *others = groups.values()
        runs = [run for run in first if all(run in by for by in others)]
        if others and runs:
            name = f"mean of {len(scenes)}" + (f", {part}" if part else "")
            yield (name, views), {run: mean_summary([by[run] for by in groups.values()]) for run in runs}


def mean_summary(summaries: list[Summary]) -> Summary:
    """The mean of every number over scenes, the most memory; None where a scene lacks one."""
    fields: dict[str, float | None] = {}
    for key in Summary.__dataclass_fields__:
        values = [getattr(s, key) for s in summaries]
        fields[key] = None if None in values else statistics.mean(values)
    return Summary(
        **{
            **fields,
            "gaussians": round(fields["gaussians"] or 0),
            "peak_memory_gb": max(s.peak_memory_gb for s in summaries),
            "seeds": min(s.seeds for s in summaries),
        }  # type: ignore[arg-type]
    )


def protocol_table() -> Table:
    """The protocols by name: what they are, their views, masks, metrics and source."""
    table = Table("protocol", "what it is", "views", "object", "SSIM, LPIPS", "source", show_lines=True)
    for protocol in PROTOCOLS.values():
        m = protocol.metrics
        table.add_row(
            *(protocol.name, protocol.about, " ".join(map(str, protocol.views)), m.masks),
            *(f"{m.ssim_window}, {m.lpips_net} on {m.lpips_range}".replace("[", r"\["), protocol.source),
        )
    return table


def _scores(s: Summary, masked: bool, average: bool) -> tuple[str, ...]:
    scores = (_decibels(s.psnr, s.psnr_spread, s.seeds), f"{s.ssim:.3f}", _number(s.lpips))
    if masked:
        psnr = _decibels(s.psnr_masked, s.psnr_masked_spread, s.seeds)
        scores = (psnr, _number(s.ssim_masked), _number(s.lpips_masked), *scores)
    return (*scores, _number(s.average_error)) if average else scores


def _decibels(psnr: float | None, spread: float, seeds: int) -> str:
    if psnr is None:
        return "-"
    return f"{psnr:.2f} ± {spread:.2f}" if seeds > 1 else f"{psnr:.2f}"


def _costs(s: Summary) -> tuple[str, ...]:
    return f"{s.seconds:.1f}", f"{s.gaussians:,}", f"{s.peak_memory_gb:.1f}"


def _published_row(scene: str, views: int, other: Published, masked: bool, average: bool) -> Row:
    scores, costs = _published(other, masked, average), ("",) * len(COSTS)
    method = f"{other.method} (published)"
    return Row(scene, views, method, scores, costs, other.init, other.source, published=True)


def _published(other: Published, masked: bool, average: bool) -> tuple[str, ...]:
    """Of the object where the protocol measures it; of whole pictures, and average errors, none are known."""
    scores = (f"{other.psnr:.2f}", _number(other.ssim), _number(other.lpips))
    return scores + ("",) * (3 * masked + average)


def _notes(protocol: Protocol, metrics: dict[str, str], groups: list[tuple[Row, ...]]) -> tuple[str, ...]:
    feed = metrics.get("lpips_range")  # no word of older results
    sources = sorted({row.source for rows in groups for row in rows if row.published})
    notes = (
        CAPTIONS.get(metrics.get("masks", "none"), ""),
        f"LPIPS is fed colours in {feed}." if feed and metrics["lpips_net"] != "none" else "",
        AVERAGE_ERROR if protocol.average_error else "",
        protocol.label,
        f"Published numbers, LPIPS with VGG: {'; '.join(sources)}." if sources else "",
    )
    return tuple(note for note in notes if note)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
