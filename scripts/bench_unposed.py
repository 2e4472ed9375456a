"""Fits photos with the cameras of their data set and with cameras solved from the photos alone, and prints
what both reach on held-out photos.

    python scripts/bench_unposed.py --solved build/unposed --no-fit                  # needs pycolmap
    python scripts/bench_unposed.py --solved build/unposed --seeds 3 --device cuda   # needs none any more

Solved cameras are kept in the folder --solved and read from there, so that a machine without pycolmap can fit
with those of another. Train photos are solved without EXIF; held-out photos are placed among them one by one,
and both ways are measured on those that could be. `psnr` is from these cameras, `psnr_aligned` from cameras
aligned to the scene by the held-out photos themselves (InstantSplat's protocol, --align steps), for given
cameras too, whose lens distortion some data sets leave out. Where a distortion was solved with the cameras,
they are measured on photos without it, those of given cameras as they are. A row a seed; the means over the
seeds of the rows of --output, of any number of processes: scripts/camera_bench.py.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from bench_refinement import PARTS, fitted, scene_of
from camera_bench import options_parser, seeds, show_head, show_row

from recon.methods.priors.cache import load_cameras, save_cameras
from recon.methods.priors.poses_accuracy import focal_error, pose_accuracy
from recon.methods.priors.poses_types import PosesConfig
from recon.pipeline import Stopwatch
from recon.placing import solve_views
from recon.rendering import Engine, pick_device, pick_engine
from recon.scene import Photos, Scene, Views

COLUMNS = "scene views cameras seed placed ATE focal psnr psnr_aligned seconds".split()
WAYS = ("given", "solved")
Row = dict[str, object]


def without_cameras(views: Views) -> Photos:
    """The photos alone, without what EXIF says of the lens."""
    return Photos(
        images=views.images,
        names=views.names,
        masks=views.masks,
        paths=views.paths,
        focal_priors=(None,) * len(views),
    )


def solved_views(train: Views, test: Views, config: PosesConfig, kept: Path) -> tuple[Views, Views]:
    """Train photos as solved and held-out photos as placed among them, those that could be; from the file
    `kept` if it is there, else kept in it."""
    photos = without_cameras(train), without_cameras(test)
    if kept.exists():
        return load_cameras(kept, photos)
    placed = solve_views(Scene(*photos), config, lambda event: None)
    kept.parent.mkdir(parents=True, exist_ok=True)
    save_cameras(kept, photos, placed)
    return placed


def errors(solved: Views, given: Views) -> dict[str, float]:
    """ATE in per cent of the camera extent, and the largest error of a focal length in per cent."""
    known = [given.names.index(name) for name in solved.names]
    measured = pose_accuracy(solved.cameras.camera_from_world, given.cameras.camera_from_world, known)
    focals = given.cameras.Ks[known, 0, 0]
    # Undoing a distortion crops the photos, which lengthens the focal length of what is left.
    lenses = [torch.from_numpy(lens.K).to(solved.cameras.Ks) for lens in solved.lenses]
    Ks = torch.stack(lenses) if lenses else solved.cameras.Ks
    return {"ATE": 100 * measured.ate, "focal": 100 * focal_error(Ks, focals)}


def rows(
    name: str, views: int, options: argparse.Namespace, device: torch.device, engine: Engine
) -> Iterator[Row]:
    """Of one scene: each seed with either cameras."""
    train, test = scene_of(name, options.data, views, options.max_size)
    config = PosesConfig(dense_tracks=options.dense_tracks)
    solved, located = solved_views(train, test, config, options.solved / f"{name}-{views}.safetensors")
    same = test.select([test.names.index(photo) for photo in located.names])
    placed = f"{len(solved)}/{len(train)} + {len(located)}/{len(test)}"
    ways = {"given": (train, same, {}), "solved": (solved, located, errors(solved, train))}
    for seed in seeds(options):
        for way in options.ways:
            fit, held_out, measured = ways[way]
            row: Row = {"scene": name, "views": views, "cameras": way, "seed": seed}
            row |= {"placed": placed if way == "solved" else "", **measured}
            if not options.no_fit:
                steps = options.max_steps or PARTS.fit.max_steps
                parts = replace(PARTS, fit=replace(PARTS.fit, seed=seed, max_steps=steps))
                clock = Stopwatch(device)
                row |= fitted(fit.to(device), held_out.to(device), engine, clock, parts, options.align)
                row["seconds"] = sum(clock.seconds.values())
            yield row


def main() -> None:
    # Of other data sets the readers undo a lens distortion that a solver of photos does not know of.
    parser = options_parser(__doc__, ["flower"], [3, 6, 9], choices=["flower", "fountain"])
    parser.add_argument("--solved", type=Path, required=True, help="folder that keeps the solved cameras")
    parser.add_argument("--dense-tracks", default="auto", help="as --poses.dense-tracks; another --solved")
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--max-steps", type=int, help="of a fit, if not all")
    options = parser.parse_args()
    device = pick_device(options.device)
    engine = pick_engine("auto", device)
    show_head(COLUMNS)
    for name in options.scenes:
        for views in options.views:
            for row in rows(name, views, options, device, engine):
                show_row(row, COLUMNS, options.output)


if __name__ == "__main__":
    main()
