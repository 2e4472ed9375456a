"""How long each stereo prior takes for the photos of one scene, first call and median of the rest.

    python scripts/bench_stereo.py --data ../shared/data/llff/flower --views 3
    python scripts/bench_stereo.py --data ../shared/data/llff/flower --views 3 --device cuda

`network` is the stereo network alone, before views are compared; the others are those of `--stereo`. The
range of depths is found once, before, and not counted.
"""

import json
import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro
from room_priors import depth_range, named

from recon import datasets
from recon.datasets import DataConfig
from recon.errors import InputError, ReconError
from recon.provenance import commit, machine
from recon.rendering import pick_device
from recon.scene import Views


@dataclass(frozen=True)
class Options:
    """What is measured."""

    data: Path
    """A scene with given cameras."""
    views: int = 3
    priors: tuple[str, ...] = ("classical", "network", "learned", "auto")
    repeats: int = 5
    """Calls after the first, which pays for memory and the choice of kernels."""
    device: str = "auto"
    weights: Path | None = None
    """Of the network; the package's if not given."""


def main(options: Options) -> None:
    if options.repeats < 1:
        raise InputError(f"--repeats is {options.repeats}; give at least 1.")
    device = pick_device(options.device)
    train = datasets.load(replace(DataConfig(options.data), views=options.views)).train
    if not isinstance(train, Views):
        raise InputError(f"{options.data} has no cameras; give a scene that has.")
    views = train.to(device)
    searched = depth_range(views)
    seconds = {}
    for name, prior in named(options.priors, options.weights).items():
        taken = []
        for _ in range(1 + options.repeats):
            settle(device)
            begin = time.perf_counter()
            prior(views, searched)
            settle(device)
            taken.append(time.perf_counter() - begin)
        seconds[name] = {"first": round(taken[0], 3), "median": round(statistics.median(taken[1:]), 3)}
    about = {"commit": commit(), "machine": machine(device), "sizes": views.sizes, "repeats": options.repeats}
    print(json.dumps(about | {"seconds": seconds}, indent=1, default=str))


def settle(device: torch.device) -> None:
    """Waits for what a GPU was told; a CPU has done it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except ReconError as error:
        sys.exit(str(error))
