"""A submission to the SpaRe benchmark: scenes fitted, their test views rendered, the zip and its readme.txt.

https://sparebenchmark.github.io/docs/benchmark/submission
"""

import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import imageio.v3 as iio
import torch

from recon import datasets
from recon.benchmark.protocols import SPARE
from recon.benchmark.spare import Entry
from recon.datasets.dtu import photo_name, read_cameras
from recon.datasets.files import read_json
from recon.datasets.photo_file import upright_size
from recon.datasets.posed import reduce_views
from recon.errors import InputError
from recon.events import Watch
from recon.exposure import photographed
from recon.files import atomic_file
from recon.gaussians import Gaussians
from recon.methods.table import MethodConfig
from recon.metrics import quantise
from recon.pipeline import Stopwatch, fit_views
from recon.rendering import Engine, synchronise
from recon.run_folder import plain, write_json
from recon.scene import Cameras, Views
from recon.trainer import near_plane

FIXED_DATE = (1980, 1, 1, 0, 0, 0)
"""So that the same pictures make the same zip."""


@dataclass(frozen=True)
class Timing:
    """What a scene took."""

    fit_seconds: float
    render_seconds: float
    """A picture."""


def picture_names(entry: Entry) -> list[str]:
    """Paths inside the zip of a scene's test views."""
    return [f"{entry.scene}/{photo_name(number, entry.dataset)}" for number in entry.ids.test]


def make_scene(
    entry: Entry,
    data: Path,
    work: Path,
    config: MethodConfig,
    max_size: int | None,
    device: torch.device,
    engine: Engine,
    watch: Watch,
) -> Timing:
    """Fits a scene and renders its test views below `work`; what an earlier call with the same settings left
    there is kept. No test photo is read, nor need there be one. Raises InputError as the reader."""
    done, decided = work / f"{entry.scene}.json", {"entry": plain(entry.ids), "config": plain(config)}
    decided["max_size"] = max_size
    if done.exists():
        found = read_json(done)
        if found.get("decided") == decided:
            return Timing(**found["timing"])
    folder = SPARE.folder(data, entry.scene)
    if folder is None:
        raise InputError(f"{data} holds no scene {entry.scene}; unpack the input photos there.")
    reading = replace(SPARE.reading, path=folder, train_ids=entry.ids.train)
    train = datasets.load(reading).train
    assert isinstance(train, Views)
    size = train.sizes[0]
    train = train if max_size is None else reduce_views(train, max_size)
    clock = Stopwatch(device)
    fitted = fit_views(train.to(device), config, engine, clock, watch)
    if not fitted.finished:
        raise KeyboardInterrupt
    cameras = read_cameras(folder, entry.ids.test, size).to(device)
    paths = [work / name for name in picture_names(entry)]
    seconds = render_pictures(fitted.state.gaussians, cameras, engine, near_plane(fitted.stereo), paths)
    timing = Timing(clock.seconds["stereo"] + clock.seconds["fit"], seconds)
    write_json(done, {"decided": decided, "timing": timing})
    return timing


@torch.no_grad()
def render_pictures(
    gaussians: Gaussians, cameras: Cameras, engine: Engine, near: float, paths: Sequence[Path]
) -> float:
    """Writes what each camera sees as an RGB PNG of 8 bits; returns the mean seconds of rendering one."""
    pictures, begin = [], time.perf_counter()
    for index in range(len(cameras)):
        pictures.append(quantise(photographed(gaussians, cameras, index, engine, near).rgb))
    synchronise(pictures[0].device)
    seconds = (time.perf_counter() - begin) / len(pictures)
    for picture, path in zip(pictures, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = (picture * 255).round().to(torch.uint8).cpu().numpy()
        with atomic_file(path) as file:
            file.write(iio.imwrite("<bytes>", pixels, extension=".png"))
    return seconds


def pack(entries: Sequence[Entry], work: Path, output: Path, readme: str | None = None) -> None:
    """The zip of the test views below `work`, scenes at its root. Pictures are compressed already."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(output) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in (name for entry in entries for name in picture_names(entry)):
            archive.writestr(zipfile.ZipInfo(name, FIXED_DATE), (work / name).read_bytes())
        if readme is not None:
            archive.writestr(zipfile.ZipInfo("readme.txt", FIXED_DATE), readme)


def readme_text(timings: Sequence[Timing], pictures: int, on_gpu: bool, description: str) -> str:
    """readme.txt as the AIM and NTIRE challenges ask for it, with measured times; GPU is 0."""
    fit, drawn = (sum(t.fit_seconds for t in timings), sum(t.render_seconds for t in timings) / len(timings))
    return (
        f"runtime per image [s] : {fit / pictures + drawn:.2f}\n"
        f"CPU[1] / GPU[0] : {0 if on_gpu else 1}\n"
        "Extra Data [1] / No Extra Data [0] : 0\n"
        f"Other description : {description}; runtime per scene [s] {fit / len(timings):.1f}, "
        f"render time per image [s] {drawn:.3f}\n"
    )


def picture_size(data: Path, entry: Entry) -> tuple[int, int]:
    """(width, height) of a scene's photos, and so of its renderings."""
    folder = SPARE.folder(data, entry.scene)
    path = folder and folder / photo_name(entry.ids.train[0], entry.dataset)
    if path is None or not path.is_file():
        raise InputError(f"{data} holds no photos of {entry.scene}; give --data the folder of the scenes.")
    return upright_size(path)
