"""Measures stereo priors side by side on rendered scenes, where the depth of every pixel is known.

    python scripts/make_rooms.py runs/rooms
    python scripts/evaluate_rooms.py runs/rooms
    python scripts/evaluate_rooms.py runs/rooms hall --priors classical learned --weights stereo.safetensors

Priors are those of `--stereo`; `network`: what it says before views are compared and gaps completed;
`encoder`, `half-encoder`: the sweep with the network's encoder as its matching cost, alone or beside its own.
Every prior searches the same depths and sees the same photos. Columns: `covers`, the largest share of the
pixels that can be kept, surest first, with 90 % of them within 2 % of the true depth; `trusted`, the share
that two views agree on, and how many of those are right, which is within 2 %; how many of `all` are right;
then, on weak texture (grey values in a window of 9 pixels that deviate by less than 4 / 255) and on what is
`else`: median and mean relative error (those above 1 count as 1) and how many are right.
"""

import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
import tyro
from rich.console import Console
from rich.table import Table
from room_pictures import write_pictures
from room_priors import Estimate, depth_range, named
from true_depth import TrueDepth, rendered
from weak_texture import weak_texture

from recon import datasets
from recon.benchmark.depth_scores import coverage_at_precision, relative_errors
from recon.datasets import DataConfig
from recon.errors import InputError, ReconError
from recon.geometry import sample
from recon.provenance import commit, machine
from recon.rendering import pick_device
from recon.run_folder import write_json
from recon.scene import Views

PRECISION = 0.9
TOLERANCE = 0.02
COLUMNS = (
    "covers",
    "trusted",
    "right",
    "all right",
    "weak",
    "median",
    "mean",
    "right",
    "else: median",
    "mean",
    "right",
)


@dataclass(frozen=True)
class Options:
    """Which scenes and priors."""

    folder: tyro.conf.Positional[Path]
    """Where make_rooms.py wrote."""
    scenes: tyro.conf.Positional[tuple[str, ...]] = ()
    """All that are there if none is given."""
    priors: tuple[str, ...] = ("classical", "learned", "auto", "network")
    weights: Path | None = None
    """Of the network; the package's if not given."""
    output: Path = Path("runs/room_depth.json")
    pictures: Path | None = None
    """Folder for one picture a scene: photo, true depth, and each prior's depth and errors."""
    device: str = "auto"


@dataclass(frozen=True)
class Scores:
    """One prior on the known pixels of one scene's train views; None where a scene has no such pixel."""

    covers: float
    trusted: float
    trusted_right: float | None
    right: float
    weak_share: float
    weak_median: float | None
    weak_mean: float | None
    weak_right: float | None
    rest_median: float | None
    rest_mean: float | None
    rest_right: float | None


def main(options: Options) -> None:
    console = Console(width=130)
    device = pick_device(options.device)
    priors = named(options.priors, options.weights)
    scenes = options.scenes or tuple(
        sorted(path.parent.name for path in options.folder.glob("*/transforms.json"))
    )
    if not scenes:
        raise InputError(f"{options.folder} has no scenes; write some with scripts/make_rooms.py.")
    rows: dict[str, dict[str, Scores]] = {name: {} for name in priors}
    seconds: dict[str, dict[str, float]] = {name: {} for name in priors}
    for scene in scenes:
        train, truth = load(options.folder, scene)
        views = train.to(device)
        searched = depth_range(views)
        estimates = {}
        for name, prior in priors.items():
            begin = time.perf_counter()
            estimates[name] = prior(views, searched)
            seconds[name][scene] = round(time.perf_counter() - begin, 2)
            rows[name][scene] = score(train, estimates[name], truth)
        if options.pictures:
            write_pictures(options.pictures / f"{scene}.png", train, estimates, truth)
        console.print(table(scene, {name: found[scene] for name, found in rows.items()}))
    means = {name: mean_scores(list(found.values())) for name, found in rows.items()}
    console.print(table(f"mean of {len(scenes)} scenes, commit {commit()}", means))
    about = {"commit": commit(), "machine": machine(device), "precision": PRECISION, "tolerance": TOLERANCE}
    found = {
        name: {"mean": asdict(means[name]), **{scene: asdict(row) for scene, row in rows[name].items()}}
        for name in priors
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_json(options.output, {**about, "weights": options.weights, "seconds": seconds, "scores": found})


def load(folder: Path, scene: str) -> tuple[Views, list[TrueDepth]]:
    """The train views and what is known of their depth. Raises InputError: the scene is not there."""
    train = datasets.load(DataConfig(folder / scene, test_every=2)).train
    assert isinstance(train, Views)
    remedy = f"python scripts/make_rooms.py {folder} {scene}"
    return train, [rendered(folder / scene / "depth", view, train, remedy) for view in range(len(train))]


def score(train: Views, estimates: list[Estimate], truth: list[TrueDepth]) -> Scores:
    """Over the known pixels of all views together."""
    parts = []
    for image, estimate, (uv, depth) in zip(train.images, estimates, truth, strict=True):
        weak = weak_texture(image.permute(2, 0, 1)[None])[0, 0].cpu()
        said = [part.float().cpu() for part in (estimate.depth, estimate.confidence, estimate.trusted)]
        # The nearest pixel: between two surfaces there is no depth.
        read = sample(torch.stack([*said, weak], dim=-1), uv, mode="nearest")
        parts.append(torch.cat([relative_errors(read[:, 0], depth)[:, None], read[:, 1:]], dim=1))
    error, confidence, trusted, weak = torch.cat(parts).unbind(1)
    return Scores(
        coverage_at_precision(error, confidence, trusted > 0.5, PRECISION, TOLERANCE),
        float(trusted.double().mean()),
        errors_of(error[trusted > 0.5])[2],
        float((error <= TOLERANCE).double().mean()),
        float(weak.double().mean()),
        *errors_of(error[weak > 0.5]),
        *errors_of(error[weak < 0.5]),
    )


def errors_of(error: torch.Tensor) -> tuple[float | None, float | None, float | None]:
    """Median, mean (errors above 1 count as 1) and share within TOLERANCE; None without any sample."""
    if len(error) == 0:
        return None, None, None
    values = error.double()
    return (
        float(values.median()),
        float(values.clamp(max=1).mean()),
        float((values <= TOLERANCE).double().mean()),
    )


def mean_scores(rows: list[Scores]) -> Scores:
    """Of scenes, each with the same weight."""
    means = []
    for field in fields(Scores):
        values = [value for row in rows if (value := getattr(row, field.name)) is not None]
        means.append(sum(values) / len(values) if values else None)
    return Scores(*means)


def table(title: str, rows: dict[str, Scores]) -> Table:
    made = Table("prior", *COLUMNS, title=title)
    for name, row in rows.items():
        made.add_row(name, *("-" if value is None else f"{value:.2%}" for value in asdict(row).values()))
    return made


if __name__ == "__main__":
    try:
        main(tyro.cli(Options, description=__doc__))
    except ReconError as error:
        sys.exit(str(error))
