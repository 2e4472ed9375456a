"""Prints how good the held-out photos are after how many seconds of a fit: time-to-quality curves.

    python scripts/time_to_quality.py --scenes flower scan24 --methods recon 3dgs --seeds 3

Seconds are those since the photos were read, stereo included; the clock stands still while the photos are
measured. A point is the scene as it is at that step: only the last one has all that a method does at its end.
Medians of the seconds and means of the PSNR over the seeds, of the object in scan24.
"""

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, median

import development_scenes
import torch
import tyro

from recon.events import Event, FitStarted, Step
from recon.methods.table import METHODS
from recon.metrics import MetricsConfig, evaluate, mean_scores
from recon.pipeline import Stopwatch, fit_views
from recon.provenance import commit, machine
from recon.rendering import Engine, pick_device, pick_engine, synchronise
from recon.scene import Views

SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
"""Of the steps of a fit, after which it is measured."""
METRICS = MetricsConfig(lpips_net="none", masks="white_composite")


@dataclass(frozen=True)
class Options:
    """Which fits."""

    scenes: tuple[str, ...] = ("flower",)
    methods: tuple[str, ...] = ("recon", "3dgs")
    views: int | None = None
    """Train views; each scene's own number if not given."""
    seeds: int = 1
    data: Path = Path("../shared/data")
    device: str = "auto"
    engine: str = "auto"
    output: Path | None = None
    """JSON, a line a fit."""


@dataclass
class Curve:
    """Watches a fit, and measures it now and then by a clock that leaves the measuring out."""

    held_out: Views
    engine: Engine
    begin: float = field(default_factory=time.perf_counter)
    near: float = 0.0
    points: list[tuple[float, float]] = field(default_factory=list)
    """Seconds, PSNR."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, FitStarted):
            self.near = event.near
        if isinstance(event, Step) and event.step in {round(s * event.max_steps) for s in SHARES}:
            synchronise(event.gaussians.means.device)
            now = time.perf_counter()
            scores = evaluate(event.gaussians, self.held_out, self.engine, self.near, config=METRICS)
            mean = mean_scores(list(scores.values()))
            psnr = mean.psnr if mean.psnr_masked is None else mean.psnr_masked
            self.points.append((now - self.begin, psnr))
            self.begin += time.perf_counter() - now


def curve(
    train: Views, held_out: Views, method: str, seed: int, device: torch.device, engine: Engine
) -> Curve:
    """One fit, watched."""
    config = METHODS[method][1]
    watched = Curve(held_out, engine)
    seeded = replace(config, fit=replace(config.fit, seed=seed))
    fit_views(train, seeded, engine, Stopwatch(device), watched)
    return watched


def main(options: Options) -> None:
    device = pick_device(options.device)
    engine = pick_engine(options.engine, device)
    for name in options.scenes:
        scene = development_scenes.load(name, options.data, options.views)
        held_out = development_scenes.with_object_masks(name, options.data, scene.test)
        assert isinstance(scene.train, Views) and isinstance(held_out, Views)
        train, held_out = scene.train.to(device), held_out.to(device)
        curves = defaultdict(list)
        for method in options.methods:
            for seed in range(options.seeds):
                points = curve(train, held_out, method, seed, device, engine).points
                curves[method].append(points)
                if options.output:
                    row = {"scene": name, "method": method, "seed": seed, "points": points}
                    with options.output.open("a") as file:
                        file.write(json.dumps(row | {"commit": commit(), "machine": machine(device)}) + "\n")
        print(f"\n{name}, {len(train)} views: seconds, PSNR\n")
        print("| share of the steps | " + " | ".join(curves) + " |\n" + "|---" * (len(curves) + 1) + "|")
        for index, share in enumerate(SHARES):
            cells = [
                f"{median(p[index][0] for p in seeds):.1f} s, {fmean(p[index][1] for p in seeds):.2f}"
                for seeds in curves.values()
            ]
            print(f"| {share:g} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
