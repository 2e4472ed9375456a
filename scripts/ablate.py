"""Measures what each part of a method brings: the method, it without each part, each part alone, nothing.

    python scripts/ablate.py --seeds 3                      five scenes; one JSON a run, and table.md
    python scripts/ablate.py --parts dropout border --scenes flower
    python scripts/ablate.py --validate --variant long --max-steps 2000 --variant slow --fit.rates.means 4e-5

Options of a method, as `recon train` has them, change the method. --variant NAME OPTIONS, once or more and
after everything else, compares it with further settings in place of the ablation. What is measured already is
not measured again.

Settings are chosen with --validate, which never reads a test photo: of the train photos of the split with one
view more (3 views: the 4 of the 4-view split) one is held out and the others are fitted, in turn for up to
--folds of them, spread over those between the first and the last; a run's score is the mean over these. A
scene without a train photo more is fitted with one less. The scores are of the pictures as held-out photos
are measured; scan24's are of the object alone, on white as RegNeRF measures it. --lpips adds LPIPS with VGG,
colours in [0, 1] as the 3DGS code feeds it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import development_scenes
import torch
import tyro
from rich.console import Console

from recon.benchmark.ablation import ablation, ablation_table
from recon.benchmark.results import read_result
from recon.commands import ready_engine
from recon.datasets.splits import spread
from recon.errors import InputError, ReconError
from recon.methods.table import METHODS, MethodConfig
from recon.metrics import Distance, MetricsConfig, evaluate, make_lpips
from recon.pipeline import Report, Stopwatch, fit_views, make_report
from recon.progress import Terminal
from recon.rendering import Engine, pick_device
from recon.run_folder import plain, write_json
from recon.scene import Scene, Views
from recon.trainer import near_plane


@dataclass(frozen=True)
class Options:
    """What is compared, and on what."""

    scenes: tuple[str, ...] = ("flower", "scan24", "fox", "vase", "chair")
    data: Path = Path("../shared/data")
    """Folder of the real captures."""
    method: str = "recon"
    parts: tuple[str, ...] = ()
    """Parts to remove and to take alone; all that are on if not given."""
    seeds: int = 1
    views: int | None = None
    """Train views; each scene's own number if not given."""
    validate: bool = False
    """Hold out train photos instead of looking at test photos."""
    folds: int = 3
    """Train photos held out in turn, at most."""
    lpips: bool = False
    """Measure LPIPS too; its weights come from torch's cache, or are fetched."""
    output: Path = Path("runs/ablation")
    device: str = "auto"
    engine: str = "auto"


class Task(NamedTuple):
    """One fit that is measured."""

    scene: str
    fold: str
    """The photo held out for validation, or `test`."""
    variant: str
    seed: int


def main(arguments: Sequence[str]) -> None:
    options, variants = parse(arguments)
    for name in options.scenes:
        development_scenes.find(name)  # a wrong name is said before the long part
    console = Console(stderr=True)
    device = pick_device(options.device)
    engine = ready_engine(options.engine, device, console)
    options.output.mkdir(parents=True, exist_ok=True)
    distance = make_lpips("vgg", device, METRICS.lpips_range) if options.lpips else None
    results = []
    for name in options.scenes:
        for fold, scene in splits(name, options).items():
            for variant, config in variants.items():
                for seed in range(options.seeds):
                    task = Task(name, fold, variant, seed)
                    seeded = replace(config, fit=replace(config.fit, seed=seed))
                    results.append(
                        measured(task, scene, seeded, options.output, device, engine, distance, console)
                    )
    path = options.output / "table.md"
    path.write_text(ablation_table(sorted(results, key=lambda r: list(variants).index(r["variant"]))))
    print(path.read_text(), end="")
    print(f"Commits: {', '.join(sorted({r['commit'] for r in results}))}. {options.seeds} seeds.")


def parse(arguments: Sequence[str]) -> tuple[Options, dict[str, MethodConfig]]:
    """The options, and the variants that they ask for by name."""
    starts = [i for i, word in enumerate(arguments) if word == "--variant"]
    own = list(arguments[: starts[0]] if starts else arguments)
    options, settings = tyro.cli(Options, description=__doc__, args=own, return_unknown_args=True)
    if options.method not in METHODS:
        raise InputError(f"There is no method {options.method}; choose one of {', '.join(METHODS)}.")
    base = tyro.cli(MethodConfig, default=METHODS[options.method][1], args=settings)
    if not starts:
        return options, ablation(base, options.parts)
    variants = {options.method: base}
    for start, end in zip(starts, [*starts[1:], len(arguments)], strict=True):
        name, *words = arguments[start + 1 : end] or [""]
        if not name or name.startswith("-") or name in variants:
            raise InputError(f"--variant needs a name of its own before its options, not {name!r}.")
        variants[name] = tyro.cli(MethodConfig, default=base, args=words, prog=f"--variant {name}")
    return options, variants


def splits(name: str, options: Options) -> dict[str, Scene]:
    """What to fit and what to measure, the object's masks with it, by fold."""
    views = options.views or development_scenes.find(name).views
    if options.validate:
        train = development_scenes.load(name, options.data, views + 1).train
        inner = spread(len(train), min(options.folds, len(train) - 2) + 2)[1:-1]
        folds = {
            train.names[i]: (train.select([j for j in range(len(train)) if j != i]), train.select([i]))
            for i in inner
        }
    else:
        scene = development_scenes.load(name, options.data, views or None)
        folds = {"test": (scene.train, scene.test)}
    mask = development_scenes.with_object_masks
    return {fold: Scene(fitted, mask(name, options.data, held)) for fold, (fitted, held) in folds.items()}


def measured(
    task: Task,
    scene: Scene,
    config: MethodConfig,
    output: Path,
    device: torch.device,
    engine: Engine,
    distance: Distance | None,
    console: Console,
) -> dict:
    """The result that lies in `output`, or else a new one that then does.

    Raises InputError if the one there was measured with other settings or photos."""
    file = f"{task.variant.replace(' ', '_')}-seed{task.seed}.json"
    path = output / task.scene / f"{len(scene.train)}-views" / task.fold.replace("/", "_") / file
    metrics = METRICS if distance else replace(METRICS, lpips_net="none")
    if not path.exists():
        console.print(", ".join(map(str, task)), highlight=False)
        report = measure(task, scene, config, device, engine, distance, console)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**task._asdict(), **plain(report), "metrics": metrics, "config": config})
    result = read_result(path)
    same = result["config"] == plain(config) and result["train"] == list(scene.train.names)
    if not same or (distance and result["metrics"] != plain(metrics)):
        raise InputError(
            f"{path} was measured with other settings; choose another --output, or delete it to have it "
            "measured again."
        )
    return result


METRICS = MetricsConfig(lpips_net="vgg", lpips_range="[0, 1]", masks="white_composite")


def measure(
    task: Task,
    scene: Scene,
    config: MethodConfig,
    device: torch.device,
    engine: Engine,
    distance: Distance | None,
    console: Console,
) -> Report:
    """Fits the train views; only then looks at the others."""
    train, held_out = scene.train, scene.test
    assert isinstance(train, Views) and isinstance(held_out, Views)
    clock = Stopwatch(device)
    with Terminal(console) as terminal:
        fitted = fit_views(train.to(device), config, engine, clock, terminal)
    if not fitted.finished:
        raise KeyboardInterrupt  # half a fit is no measurement
    with clock.stage("evaluation"):
        near = near_plane(fitted.stereo)
        scores = evaluate(fitted.state.gaussians, held_out.to(device), engine, near, distance, METRICS)
    return make_report(task.variant, config, train, fitted, scores, clock, engine)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ReconError as error:
        sys.exit(str(error))
