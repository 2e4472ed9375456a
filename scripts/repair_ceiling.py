"""Measures what repair can bring at most, and what the blend by hand brings: the same fit with and without.

    python scripts/repair_ceiling.py --data ../shared/data/llff/flower ../shared/data/fox --seeds 3 --jobs 4
    python scripts/repair_ceiling.py --data ../shared/data/vase --variants none blend --repairing.weight 0.5

An oracle puts a true photo where a repaired picture would be. That touches photos that nothing may see, which
is why it is here and not in the package: its scores say what no repair can exceed. A variant is a kind of
repair, at the cameras that the package chooses or @ given ones:

    none            the fit without repair                blend           as the package repairs
    blend@test      the blend at the test cameras         oracle@test     true photos, weighed as the blend
    oracle@others   the same at the cameras of photos     whole@test      true photos that count everywhere:
                    that are neither fitted nor tested    whole@others    the ceiling of filling in, too

Options of a method, as `recon train` has them, change all variants. A fit is never taken back here: the table
says what the photos lost. Supported is a test pixel whose surface, in the fit without repair, a photo sees
within the tolerance of recon.support.
What is measured already is not measured again.
"""

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, NamedTuple

import imageio.v3 as iio
import torch
import tyro
from repair_oracles import Known, at_given_cameras, supported_pixels
from repair_scores import ceiling_table, region_scores
from rich.console import Console
from torch import Tensor

from recon import datasets
from recon.commands import ready_engine
from recon.datasets import DataConfig
from recon.datasets.splits import spread
from recon.errors import InputError, ReconError
from recon.files import parse_json
from recon.initialise import initialise
from recon.methods.priors.cache import cached_stereo
from recon.methods.repair.loop import RepairedFit, look_from, photo_scores
from recon.methods.repair.rounds import Draw
from recon.methods.table import METHODS, MethodConfig, make_recipe
from recon.metrics import make_lpips, quantise
from recon.pipeline import Stopwatch
from recon.provenance import machine
from recon.rendering import Engine, engine_name, pick_device
from recon.run_folder import plain, write_json
from recon.scene import Cameras, Views
from recon.trainer import FitState, make_optimisers, near_plane

VARIANTS = ("none", "blend", "blend@test", "oracle@test", "oracle@others", "whole@test", "whole@others")


@dataclass(frozen=True)
class Options:
    """What is compared, and on what."""

    data: tuple[Path, ...]
    """Folders with cameras, in any layout that `recon train` reads; each is a scene."""
    variants: tuple[str, ...] = VARIANTS
    views: int = 3
    """Train views of each scene."""
    test_every: int = 8
    """Every n-th photo is a test photo."""
    max_size: int = 512
    """Longer side of the photos in pixels."""
    seeds: int = 3
    method: str = "recon"
    lpips: Literal["vgg", "alex", "none"] = "vgg"
    jobs: int = 1
    """Processes side by side, each with a scene and a seed of its own."""
    pictures: bool = False
    """Write the pictures from the test cameras, beside the photos, for the first seed."""
    output: Path = Path("runs/repair")
    device: str = "auto"
    engine: str = "auto"


class Task(NamedTuple):
    """Everything that shares one stereo prior and one seed."""

    folder: Path
    seed: int


def main(arguments: Sequence[str]) -> None:
    options, config = parse(arguments)
    tasks = [Task(folder, seed) for folder in options.data for seed in range(options.seeds)]
    for folder in options.data:
        read(folder, options, config)  # what is wrong with a folder is said before the long part
    console = Console(stderr=True)
    ready_engine(options.engine, pick_device(options.device), console)
    options.output.mkdir(parents=True, exist_ok=True)
    if options.jobs > 1:
        # Spawned, not forked: CUDA does not survive a fork.
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            waiting = [pool.submit(measure_task, task, options, config) for task in tasks]
            results = [result for future in waiting for result in future.result()]
    else:
        results = [result for task in tasks for result in measure_task(task, options, config)]
    path = options.output / "table.md"
    path.write_text(ceiling_table(results))
    print(path.read_text(), end="")
    print(f"Commits: {', '.join(sorted({r['commit'] for r in results}))}; {options.seeds} seeds.")


def parse(arguments: Sequence[str]) -> tuple[Options, MethodConfig]:
    """The options, and the method with its settings; nothing takes a repair back."""
    options, settings = tyro.cli(Options, description=__doc__, args=arguments, return_unknown_args=True)
    unknown = [name for name in options.variants if name not in VARIANTS]
    if unknown or "none" not in options.variants:
        raise InputError(
            f"--variants {' '.join(options.variants)}: none is needed to compare with, and there are "
            f"{', '.join(VARIANTS)}."
        )
    if options.method not in METHODS:
        raise InputError(f"There is no method {options.method}; choose one of {', '.join(METHODS)}.")
    config = tyro.cli(MethodConfig, default=METHODS[options.method][1], args=settings)
    return options, replace(config, repairing=replace(config.repairing, max_loss=torch.inf))


def read(folder: Path, options: Options, config: MethodConfig) -> Known:
    """The photos of a scene. Raises InputError: they have no cameras, or none is left to test."""
    reading = DataConfig(
        folder, views=options.views, test_every=options.test_every, max_size=options.max_size
    )
    few, all_of_them = datasets.load(reading), datasets.load(replace(reading, views=None))
    train, test, pool = few.train, few.test, all_of_them.train
    if not (isinstance(train, Views) and isinstance(test, Views) and isinstance(pool, Views)):
        raise InputError(f"{folder} gives no cameras; choose a data set that does.")
    if not len(test):
        raise InputError(f"{folder} leaves nothing to test; lower --test-every.")
    rest = [i for i, name in enumerate(pool.names) if name not in train.names]
    count = min(len(rest), config.repairing.pseudo_views.count)
    return Known(train, test, pool.select([rest[i] for i in spread(len(rest), count)]))


def measure_task(task: Task, options: Options, config: MethodConfig) -> list[dict]:
    """The results of all variants, from `options.output` where they lie there."""
    device = pick_device(options.device)
    engine = ready_engine(options.engine, device, Console(stderr=True, quiet=True))
    folder = options.output / task.folder.name / f"{options.views}-views"
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name.replace('@', '-at-')}-seed{task.seed}.json" for name in options.variants}
    wanted = {"options": shared_options(options), "config": plain(with_seed(config, task.seed))}
    if not all(path.exists() for path in paths.values()):
        Measuring(task, options, with_seed(config, task.seed), engine, device).write(paths, wanted)
    results = []
    for path in paths.values():
        results.append(parse_json(path.read_bytes()))
        if any(results[-1][key] != plain(value) for key, value in wanted.items()):
            raise InputError(f"{path} was measured with other settings; choose another --output.")
    return results


def with_seed(config: MethodConfig, seed: int) -> MethodConfig:
    """The settings of one fit."""
    return replace(config, fit=replace(config.fit, seed=seed))


def shared_options(options: Options) -> dict:
    """What results must have been measured with to be compared."""
    names = ("views", "test_every", "max_size", "method", "lpips")
    return {name: getattr(options, name) for name in names}


class Measuring:
    """The fits of one task, which share stereo and which test pixels are supported."""

    def __init__(
        self, task: Task, options: Options, config: MethodConfig, engine: Engine, device: torch.device
    ) -> None:
        self.task, self.options, self.config, self.engine = task, options, config, engine
        self.clock = Stopwatch(device)
        self.known = read(task.folder, options, config).to(device)
        self.lpips = None if options.lpips == "none" else make_lpips(options.lpips, device)
        self.stereo = cached_stereo(
            None, self.known.train, config.stereo, config.depth_range, lambda index: None
        )

    def write(self, paths: dict[str, Path], wanted: dict) -> None:
        """Fits and scores every variant whose file is missing; the one without repair in any case, for it
        says what is supported."""
        supported = None
        for name, path in sorted(paths.items(), key=lambda item: item[0] != "none"):
            if path.exists() and name != "none":
                continue
            state, seconds = self.fit(name)
            look = look_from(state, self.engine, self.config.fit, near_plane(self.stereo))
            supported = supported or supported_pixels(self.known, look)
            test = self.known.test
            pictures = [drawn(look, test.cameras, index) for index in range(len(test))]
            result = {
                "scene": self.task.folder.name,
                "variant": name,
                "seed": self.task.seed,
                "scores": region_scores(pictures, test.images, supported, self.lpips),
                "photo_psnr": photo_scores(self.known.train, look),
                "train": self.known.train.names,
                "test": test.names,
                "others": self.known.others.names,
                "gaussians": len(state.gaussians),
                "seconds": round(seconds, 2),
                "commit": self.clock.commit,
                "engine": engine_name(self.engine),
                "machine": machine(self.clock.device),
            }
            write_json(path, {**result, **wanted})
            if self.options.pictures and self.task.seed == 0:
                write_pictures(path.with_suffix(""), pictures, test)

    def fit(self, name: str) -> tuple[FitState, float]:
        """The fitted field, and the seconds of the fit alone."""
        config, train = self.config, self.known.train
        parts = replace(config, repair="none" if name == "none" else "blend")
        recipe = make_recipe(parts, train, self.stereo)
        if "@" in name:
            assert isinstance(recipe.loop, RepairedFit)
            recipe = replace(recipe, loop=at_given_cameras(recipe.loop, name, self.known))
        gaussians = initialise(train, self.stereo, config.initialise)
        state = FitState(gaussians, make_optimisers(gaussians, config.fit.rates))
        with self.clock.stage(name):
            for _ in recipe.loop(train, self.stereo, state, recipe, self.engine, config.fit):
                pass
        return state, self.clock.seconds[name]


@torch.no_grad()
def drawn(look: Draw, cameras: Cameras, index: int) -> Tensor:
    """The picture from a camera, (h, w, 3)."""
    return look(cameras, index).rgb


def write_pictures(folder: Path, pictures: Sequence[Tensor], views: Views) -> None:
    """Each picture with its photo to the right."""
    folder.mkdir(exist_ok=True)
    for picture, photo, name in zip(pictures, views.images, views.names, strict=True):
        pair = (quantise(torch.cat([picture, photo], dim=1)) * 255).round().to(torch.uint8)
        iio.imwrite(folder / f"{Path(name).stem}.png", pair.cpu().numpy())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ReconError as error:
        sys.exit(str(error))
