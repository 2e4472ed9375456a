"""Results as tables: ours over the seeds, and what others published, beside each other."""

import statistics
from collections import defaultdict
from collections.abc import Iterator

from rich.table import Table

from recon.benchmark.protocols import PROTOCOLS, Protocol
from recon.benchmark.published import Published
from recon.benchmark.results import Summary, summarise

Groups = dict[tuple[str, int], dict[str, Summary]]
"""By scene and number of views, then by method."""

CAPTIONS = {
    "white_composite": "Masked: PSNR over the object, SSIM and LPIPS of the object on white.",
    "crop_bbox": "Masked: PSNR over the object, SSIM and LPIPS in its bounding box.",
}


def result_table(protocol: Protocol, results: list[dict]) -> Table:
    """One row a scene, number of views and method, published numbers below those of their scene, and a mean
    over the scenes of each data set."""
    first = results[0]
    masks = first["metrics"].get("masks", "none")
    masked = ("PSNR masked", "SSIM masked", "LPIPS masked") if masks != "none" else ()
    table = Table(
        *("scene", "views", "method", *masked, "PSNR", "SSIM", f"LPIPS ({first['metrics']['lpips_net']})"),
        *("seconds", "Gaussians", "GB"),
        title=f"{protocol.name}: commit {first['commit']}, engine {first['engine']}, {first['machine']}",
    )
    for (scene, views), methods in {**by_scene(results), **dict(means_of_parts(results))}.items():
        for method, s in methods.items():
            name = f"{method} ({s.seeds} seeds)"
            table.add_row(scene, str(views), name, *_scores(s, bool(masked)), *_costs(s))
        key = "mean" if scene.startswith("mean") else scene
        for other in protocol.published.get((key, views), ()):
            name = f"{other.method} (published)"
            table.add_row(scene, str(views), name, *_published(other, bool(masked)), style="dim")
        table.add_section()
    table.caption = " ".join(_captions(protocol, masks))
    return table


def by_scene(results: list[dict]) -> Groups:
    """The seeds of each method summarised."""
    runs = defaultdict(lambda: defaultdict(list))
    for result in results:
        runs[result["scene"], result["views"]][result["method"]].append(result)
    return {
        scene: {name: summarise(seeds) for name, seeds in methods.items()} for scene, methods in runs.items()
    }


def means_of_parts(results: list[dict]) -> Iterator[tuple[tuple[str, int], dict[str, Summary]]]:
    """The mean over the scenes of each data set that has several; data sets of a protocol are never mixed."""
    parts = defaultdict(set)
    for result in results:
        parts[result.get("part", ""), result["views"]].add(result["scene"])
    for (part, views), scenes in sorted(parts.items()):
        if len(scenes) > 1:
            own = [r for r in results if r["scene"] in scenes and r["views"] == views]
            methods = list(dict.fromkeys(r["method"] for r in own))
            groups = by_scene(own)
            name = f"mean of {len(scenes)}" + (f", {part}" if part else "")
            yield (
                (name, views),
                {m: mean_summary([by[m] for by in groups.values() if m in by]) for m in methods},
            )


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


def _scores(s: Summary, masked: bool) -> list[str]:
    whole = [f"{s.psnr:.2f} ± {s.psnr_spread:.2f}", f"{s.ssim:.3f}", _number(s.lpips)]
    if not masked:
        return whole
    psnr = "-" if s.psnr_masked is None else f"{s.psnr_masked:.2f} ± {s.psnr_masked_spread:.2f}"
    return [psnr, _number(s.ssim_masked), _number(s.lpips_masked), *whole]


def _costs(s: Summary) -> list[str]:
    return [f"{s.seconds:.1f}", f"{s.gaussians:,}", f"{s.peak_memory_gb:.1f}"]


def _published(other: Published, masked: bool) -> list[str]:
    scores = [f"{other.psnr:.2f}", _number(other.ssim), _number(other.lpips)]
    return scores + [""] * (6 if masked else 3)


def _captions(protocol: Protocol, masks: str) -> Iterator[str]:
    if masks in CAPTIONS:
        yield CAPTIONS[masks]
    if protocol.label:
        yield protocol.label
    sources = {p.source for rows in protocol.published.values() for p in rows}
    if sources:
        yield f"Published numbers, LPIPS with VGG: {'; '.join(sorted(sources))}."


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
