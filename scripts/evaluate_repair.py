"""Measures what a kind of repair brings: pairs of fits from the same random numbers, with it and without.

    python scripts/evaluate_repair.py --data ../shared/data/fox ../shared/data/vase --rooms runs/rooms/hall \\
        --repairing.painter.weights runs/repair-network/painter.safetensors
    python scripts/evaluate_repair.py --data ../shared/data/fox --validate --repair blend

Options of a method, as `recon train` has them, change both fits; --repair is network if not given. The fit
without is the one before the network paints, or the one that rounds of repair make beside their own to
compare with (recon.methods.repair.loop); here a repair is never taken back, and the table says what the
photos lost. Supported is a test pixel whose surface, in the fit without, a photo sees within the tolerance
of recon.support; explained, one that two photos see in the colour that was drawn. What is measured already
is not measured again.
"""

import copy
import math
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import torch
import tyro
from repair_ceiling import Known, drawn, look_from, photo_scores, supported_pixels, with_seed, write_pictures
from repair_ceiling import Options as CeilingOptions
from repair_ceiling import read as read_photos
from repair_pairs import pairs_table
from repair_scores import region_scores
from rich.console import Console
from torch import Tensor

from recon.commands import ready_engine
from recon.errors import InputError, ReconError
from recon.files import parse_json
from recon.initialise import initialise
from recon.methods.priors.cache import cached_stereo
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.repair.blend import explaining_photos
from recon.methods.repair.outside import PaintedFit
from recon.methods.repair.rounds import EXPLAINED_BY, Draw
from recon.methods.repair.warps import surface, warp_photos
from recon.methods.table import METHODS, MethodConfig, make_recipe
from recon.metrics import LpipsRange, make_lpips, psnr
from recon.pipeline import Stopwatch
from recon.provenance import commit, machine
from recon.rendering import Engine, pick_device
from recon.run_folder import plain, write_json
from recon.scene import Views
from recon.trainer import FitState, make_optimisers, near_plane


@dataclass(frozen=True)
class Options:
    """What is compared, and on what."""

    data: tuple[Path, ...] = ()
    """Folders with cameras, every eighth photo of which is a test photo; each is a scene."""
    rooms: tuple[Path, ...] = ()
    """Folders of scripts/make_rooms.py, every second photo of which is a test photo."""
    validate: bool = False
    """Score photos that are neither fitted nor tested in place of the test photos: for choosing settings."""
    views: int = 3
    """Train views of each scene."""
    max_size: int = 512
    """Longer side of the photos in pixels."""
    seeds: int = 3
    lpips: bool = True
    """Measure LPIPS with VGG."""
    lpips_range: LpipsRange = "[0, 1]"
    """What it is fed: colours as they are, as the 3DGS code does, or stretched as LPIPS asks."""
    jobs: int = 1
    """Processes side by side, each with a scene and a seed of its own."""
    output: Path = Path("runs/repair-pairs")
    device: str = "auto"
    engine: str = "auto"


class Task(NamedTuple):
    """A pair of fits."""

    folder: Path
    test_every: int
    seed: int


def main(arguments: Sequence[str]) -> None:
    options, config = parse(arguments)
    scenes = [(folder, 8) for folder in options.data] + [(folder, 2) for folder in options.rooms]
    if not scenes:
        raise InputError("There is nothing to measure on; give --data or --rooms.")
    tasks = [Task(*scene, seed) for scene in scenes for seed in range(options.seeds)]
    ready_engine(options.engine, pick_device(options.device), Console(stderr=True))
    options.output.mkdir(parents=True, exist_ok=True)
    if options.jobs > 1:
        # Spawned, not forked: CUDA does not survive a fork.
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            waiting = [pool.submit(measured, task, options, config) for task in tasks]
            results = [future.result() for future in waiting]
    else:
        results = [measured(task, options, config) for task in tasks]
    path = options.output / "table.md"
    path.write_text(pairs_table(results))
    print(path.read_text(), end="")


def parse(arguments: Sequence[str]) -> tuple[Options, MethodConfig]:
    """The options, and the method with its settings; the fit without repair is made, and never taken."""
    options, settings = tyro.cli(Options, description=__doc__, args=arguments, return_unknown_args=True)
    config = tyro.cli(MethodConfig, default=replace(METHODS["recon"][1], repair="network"), args=settings)
    return options, replace(config, repairing=replace(config.repairing, max_loss=sys.float_info.max))


def measured(task: Task, options: Options, config: MethodConfig) -> dict:
    """The result of a pair of fits, from `options.output` if it lies there."""
    config = with_seed(config, task.seed)
    path = options.output / task.folder.name / f"seed{task.seed}.json"
    names = ("validate", "views", "max_size", "lpips", "lpips_range")
    wanted = {"options": {name: getattr(options, name) for name in names}, "config": plain(config)}
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**measure(task, options, config), **wanted})
    result = parse_json(path.read_bytes())
    if any(result[key] != plain(value) for key, value in wanted.items()):
        raise InputError(f"{path} was measured with other settings; choose another --output.")
    return result


def measure(task: Task, options: Options, config: MethodConfig) -> dict:
    """Fits the pair and scores both."""
    device = pick_device(options.device)
    engine = ready_engine(options.engine, device, Console(stderr=True, quiet=True))
    known = read(task, options).to(device)
    lpips = make_lpips("vgg", device, options.lpips_range) if options.lpips else None
    stereo = cached_stereo(None, known.train, config.stereo, config.depth_range, lambda index: None)
    gaussians = initialise(known.train, stereo, config.initialise)
    state = FitState(gaussians, make_optimisers(gaussians, config.fit.rates))
    fields, seconds = fitted_pair(known.train, stereo, state, engine, config)
    near = near_plane(stereo)
    looks = {name: look_from(field, engine, config.fit, near) for name, field in fields.items()}
    pictures = {name: drawn_from_test(known, look) for name, look in looks.items()}
    supported = supported_pixels(known, looks["none"])
    if task.seed == 0:
        for name, made in pictures.items():
            write_pictures(options.output / task.folder.name / name, made, known.test)
    return {
        "scene": task.folder.name,
        "seed": task.seed,
        "repair": config.repair,
        "scores": {n: region_scores(p, known.test.images, supported, lpips) for n, p in pictures.items()},
        "photos": {name: photo_scores(known.train, look) for name, look in looks.items()},
        "views": by_view(known, pictures, supported),
        "explained_change": explained_change(known, looks["none"], pictures, config),
        "train": known.train.names,
        "test": known.test.names,
        "gaussians": len(state.gaussians),
        "seconds": round(seconds, 2),
        "commit": commit(),
        "machine": machine(device),
    }


def fitted_pair(
    views: Views, stereo: StereoPrior, state: FitState, engine: Engine, config: MethodConfig
) -> tuple[dict[str, FitState], float]:
    """The fit without repair, the one with it, which is `state`, and the seconds that it took: those that the
    network added, or those of both fits."""
    clock = Stopwatch(state.gaussians.means.device)
    with clock.stage("repair"):
        recipe = make_recipe(config, views, stereo)  # where the network is trained on the photos
    arguments = (views, stereo, state, recipe, engine, config.fit)
    if isinstance(recipe.loop, PaintedFit):
        for _ in recipe.loop.loop(*arguments):
            pass
        plain = FitState(copy.deepcopy(state.gaussians), {}, state.step)
        with clock.stage("repair"):
            recipe.loop.paint(views, stereo, state, engine, config.fit)
        return {"none": plain, "repaired": state}, clock.seconds["repair"]
    with clock.stage("repair"):
        for _ in recipe.loop(*arguments):
            pass
    assert state.partner is not None, "a repair that can be taken back has a fit beside it"
    return {"none": state.partner, "repaired": state}, clock.seconds["repair"]


def read(task: Task, options: Options) -> Known:
    """The photos of a scene; in validation, those to be scored are of the pool and not tested."""
    reading = CeilingOptions(
        (task.folder,), views=options.views, test_every=task.test_every, max_size=options.max_size
    )
    known = read_photos(task.folder, reading, METHODS["recon"][1])
    if not options.validate:
        return known
    if not len(known.others):
        raise InputError(f"{task.folder} leaves nothing to validate on; take fewer --views.")
    return known._replace(test=known.others)


def drawn_from_test(known: Known, look: Draw) -> list[Tensor]:
    """The pictures from the test cameras."""
    return [drawn(look, known.test.cameras, index) for index in range(len(known.test))]


def by_view(known: Known, pictures: dict[str, list[Tensor]], supported: list[Tensor]) -> list[dict]:
    """For each test view the share of unsupported pixels and both PSNRs."""
    return [
        {
            "unsupported": 1 - float(supported[i].float().mean()),
            **{name: psnr(made[i].clamp(0, 1), photo) for name, made in pictures.items()},
        }
        for i, photo in enumerate(known.test.images)
    ]


@torch.no_grad()
def explained_change(
    known: Known, look: Draw, pictures: dict[str, list[Tensor]], config: MethodConfig
) -> float:
    """Mean difference, in steps of 1/255, that repair made to test pixels which two photos explained."""
    train, test = known.train, known.test
    surfaces = [surface(look(train.cameras, index)) for index in range(len(train))]
    total = count = 0.0
    for i, (plain_rgb, rgb) in enumerate(zip(pictures["none"], pictures["repaired"], strict=True)):
        warps = warp_photos(train, surfaces, test.cameras, i, surface(look(test.cameras, i)))
        explained = explaining_photos(plain_rgb.clamp(0, 1), warps, config.repairing.blend) >= EXPLAINED_BY
        total += float((rgb.clamp(0, 1) - plain_rgb.clamp(0, 1)).abs().mean(-1)[explained].double().sum())
        count += float(explained.sum())
    return 255 * total / count if count else math.nan


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ReconError as error:
        sys.exit(str(error))
