"""Results as tables: ours over the seeds, and what others published, beside each other."""

from collections import defaultdict

from rich.table import Table

from recon.benchmark.protocols import Protocol
from recon.benchmark.results import summarise


def result_table(protocol: Protocol, results: list[dict]) -> Table:
    """One row a scene, number of views and method; published numbers below those of their scene."""
    first = results[0]
    table = Table(
        *("scene", "views", "method", "PSNR", "SSIM", f"LPIPS ({first['metrics']['lpips_net']})"),
        *("seconds", "Gaussians", "GB"),
        title=f"{protocol.name}: commit {first['commit']}, engine {first['engine']}, {first['machine']}",
    )
    groups = defaultdict(lambda: defaultdict(list))
    for result in results:
        groups[result["scene"], result["views"]][result["method"]].append(result)
    for (scene, views), methods in groups.items():
        for method, runs in methods.items():
            s = summarise(runs)
            table.add_row(
                *(scene, str(views), f"{method} ({s.seeds} seeds)", f"{s.psnr:.2f} ± {s.psnr_spread:.2f}"),
                *(f"{s.ssim:.3f}", _number(s.lpips), f"{s.seconds:.1f}", f"{s.gaussians:,}"),
                f"{s.peak_memory_gb:.1f}",
            )
        for other in protocol.published.get((scene, views), ()):
            table.add_row(
                *(scene, str(views), f"{other.method} (published)", f"{other.psnr:.2f}"),
                *(_number(other.ssim), _number(other.lpips_vgg), "", "", ""),
                style="dim",
            )
        table.add_section()
    sources = {p.source for rows in protocol.published.values() for p in rows}
    table.caption = f"Published numbers, LPIPS with VGG: {'; '.join(sorted(sources))}."
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
