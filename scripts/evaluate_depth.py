"""Measures the stereo prior itself: its depth in the train views against known depth, a table a scene.

    python scripts/make_sample.py --depth runs/true_depth/yard --depth-only --only yard
    python scripts/evaluate_depth.py                                    all scenes, the default stereo
    python scripts/evaluate_depth.py yard fox --views 3 --stereo.max-size 384

The bundled photos are held to rendered depth, real scenes to points that three or more of all their photos
see, found by COLMAP with the known cameras (kept in --truth; finding them takes some minutes a scene). Such
points lie on texture: walls and skies are judged on the bundled photos alone.

Rows: the pixels that two views agree on (`consistent`), and the most confident (`surest`) 50 and 75 % and all
of those whose depth is known. Precision is the share of a row's pixels within 1 or 3 % of the true depth,
completeness the share of all pixels that the row holds and that are within it.
"""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import development_scenes
import torch
import tyro
from rich.console import Console
from rich.table import Table
from true_depth import TrueDepth, true_depths

from recon.benchmark.depth_scores import (
    TOLERANCES,
    DepthScores,
    depth_scores,
    most_confident,
    relative_errors,
)
from recon.errors import ReconError
from recon.geometry import sample
from recon.methods.priors.depth_range import DepthRangeConfig, find_depth_range
from recon.methods.priors.stereo import compute_stereo
from recon.methods.priors.stereo_types import StereoConfig, StereoPrior
from recon.provenance import commit, machine
from recon.rendering import pick_device
from recon.run_folder import write_json
from recon.scene import Views

COVERAGES = (0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Options:
    """Which scenes, and the stereo that is measured."""

    scenes: tyro.conf.Positional[tuple[str, ...]] = tuple(development_scenes.SCENES)
    data: Path = Path("../shared/data")
    """Folder of the real captures."""
    views: int | None = None
    """Train views; each scene's own number if not given."""
    output: Path = Path("runs/depth")
    """One JSON a scene goes here."""
    truth: Path = Path("runs/true_depth")
    """Where known depth is kept; the bundled photos' maps are in its folder yard."""
    device: str = "auto"
    stereo: StereoConfig = field(default_factory=StereoConfig)
    depth_range: DepthRangeConfig = field(default_factory=DepthRangeConfig)


def main(options: Options) -> None:
    console = Console(width=120)
    device = pick_device(options.device)
    for name in options.scenes:
        train = development_scenes.load(name, options.data, options.views).train
        assert isinstance(train, Views)
        truth = true_depths(name, train, options.data, options.truth)
        begin = time.perf_counter()
        views = train.to(device)
        prior = compute_stereo(
            views, find_depth_range(views, options.stereo, options.depth_range), options.stereo
        )
        rows = score_prior(prior, truth)
        seconds = time.perf_counter() - begin
        options.output.mkdir(parents=True, exist_ok=True)
        about = {"scene": name, "views": train.names, "seconds": round(seconds, 1), "commit": commit()}
        settings = {"stereo": options.stereo, "depth_range": options.depth_range, "machine": machine(device)}
        write_json(
            options.output / f"{name}-{len(train)}-views.json",
            {**about, "tolerances": TOLERANCES, "rows": rows, **settings},
        )
        console.print(table(f"{name}, {len(train)} views, {seconds:.0f} s, commit {commit()}", rows))


def score_prior(prior: StereoPrior, truth: list[TrueDepth]) -> dict[str, DepthScores]:
    """Rows by name, over the known pixels of all views together."""
    errors, confidences, consistent = [], [], []
    for index, (uv, depth) in enumerate(truth):
        maps = torch.stack(
            [prior.depths[index], prior.confidences[index], prior.consistent[index].float()], dim=-1
        )
        # The nearest pixel: between two surfaces there is no depth.
        read = sample(maps.cpu(), uv, mode="nearest")
        errors.append(relative_errors(read[:, 0], depth))
        confidences.append(read[:, 1])
        consistent.append(read[:, 2] > 0.5)
    error, confidence = torch.cat(errors), torch.cat(confidences)
    rows = {"consistent": depth_scores(error, torch.cat(consistent))}
    for coverage in COVERAGES:
        kept = most_confident(confidence, coverage)
        rows[f"surest {coverage:.0%}" if coverage < 1 else "all"] = depth_scores(error, kept)
    return rows


def table(title: str, rows: dict[str, DepthScores]) -> Table:
    columns = ["pixels", "coverage", "median error", "mean error"]
    columns += [f"{word} {limit:.0%}" for word in ("precision", "complete") for limit in TOLERANCES]
    made = Table(*columns, title=title)
    for name, row in rows.items():
        precision = row.precision or (None,) * len(TOLERANCES)
        values = (row.median_error, row.mean_error, *precision, *row.completeness)
        made.add_row(
            name, f"{row.coverage:.1%}", *("-" if value is None else f"{value:.2%}" for value in values)
        )
    made.caption = f"{next(iter(rows.values())).samples:,} pixels with known depth"
    return made


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except ReconError as error:
        sys.exit(str(error))
