"""Disturbs known cameras, refines them, and prints how far off they are before and after, and what a fit with
them reaches.

    python scripts/bench_refinement.py --data ../shared/data                          # a GPU: minutes
    python scripts/bench_refinement.py --max-size 256 --scenes flower --no-fit        # CPU: poses alone
    python scripts/bench_refinement.py --ways matches --no-fit --matched build/matched   # for another machine

Each camera is turned by --degrees about an axis of its own, and moved by --share of the scene's median depth.
Ways: `true` cameras, `disturbed` ones, then from those: `matches` as --refine-poses does it (needs pycolmap),
`photos` as --refinement.rounds 2, `both` one after the other. A row: mean errors of the pairs in degrees and
ATE in per cent of the camera extent, blind to the choice of the world; how many times smaller the mean of the
three ratios to `disturbed` is; PSNR of held-out photos from their true cameras, taken along by the similarity
that takes the true train cameras to the row's, and from cameras aligned to the scene in --align steps. A seed
decides both the disturbance and the fit. The means of the rows of --output: scripts/camera_bench.py.
--matched keeps the disturbed cameras and what the matches made of them, and reads them from there, so that a
machine without pycolmap can go on from those of another.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import development_scenes
import numpy as np
import torch
from camera_bench import options_parser, seeds, show_head, show_row
from pose_sets import fountain

from recon.alignment import AlignmentConfig
from recon.camera_offsets import rotations
from recon.checkpoint import load_tensors, save_tensors
from recon.datasets import DataConfig
from recon.datasets.posed import Shot, read_views
from recon.lens import Lens
from recon.methods.camera_refinement import CameraRefinementConfig, refine_by_photos
from recon.methods.priors.cache import cached_stereo
from recon.methods.priors.poses_accuracy import PoseAccuracy, pose_accuracy
from recon.methods.priors.poses_frame import similarity_of_cameras
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.table import METHODS, MethodConfig
from recon.metrics import evaluate, mean_scores
from recon.pipeline import Stopwatch, aligned_scores, fit_views
from recon.rendering import Engine, pick_device, pick_engine
from recon.scene import Cameras, Views
from recon.trainer import near_plane

PARTS = METHODS["recon"][1]
COLUMNS = "scene views way seed rot dir ATE smaller psnr psnr_aligned seconds".split()
FOUNTAIN = {3: (3, 5, 7), 6: (1, 2, 4, 6, 8, 9)}
"""Photos that are fitted; 0 to 10, those between are held out."""


def scene_of(name: str, data: Path, views: int, max_size: int) -> tuple[Views, Views]:
    """The photos to fit and those held out, with known cameras."""
    if name != "fountain":
        scene = development_scenes.load(name, data, views, max_size)
        assert isinstance(scene.train, Views) and isinstance(scene.test, Views)
        return scene.train, scene.test
    group = fountain(data)
    train = FOUNTAIN[views]
    test = [i for i in range(min(train), max(train)) if i not in train]
    config = DataConfig(data, max_size=max_size)
    first, second = (
        read_views(
            [_fountain_shot(group.paths[i], group.poses[i]) for i in part], [str(i) for i in part], config
        )
        for part in (train, test)
    )
    return first, second


def _fountain_shot(path: Path, camera_from_world: np.ndarray) -> Shot:
    source = path.parent.parent / "gt_dense_cameras" / f"{path.name}.camera"
    numbers = np.array(source.read_text().split(), float)
    lens = Lens((int(numbers[24]), int(numbers[25])), numbers[:9].reshape(3, 3))
    return Shot(path, np.linalg.inv(camera_from_world), lens, source)


def disturbed(cameras: Cameras, degrees: float, shift: float, seed: int) -> Cameras:
    """Each camera turned by so much and its centre moved by `shift` world units, in directions of its own."""
    generator = torch.Generator().manual_seed(seed)
    axes, ways = torch.nn.functional.normalize(
        torch.randn(2, len(cameras), 3, generator=generator).to(cameras.Ks), dim=-1
    )
    poses = cameras.camera_from_world.clone()
    poses[:, :3, :3] = rotations(np.radians(degrees) * axes) @ poses[:, :3, :3]
    poses[:, :3, 3] = -(poses[:, :3, :3] @ (cameras.centres + shift * ways)[..., None])[..., 0]
    return replace(cameras, camera_from_world=poses)


def stereo_of(views: Views) -> StereoPrior:
    """As a run computes it."""
    return cached_stereo(None, views, PARTS.stereo, PARTS.depth_range, lambda index: None)


@dataclass(frozen=True)
class Trial:
    """Photos with disturbed cameras."""

    views: Views
    engine: Engine
    kept: Path | None
    """File of the cameras by matches; None: they are not kept."""


def by_matches(trial: Trial) -> Cameras:
    """As --refine-poses."""
    from recon.methods.priors.poses_given import refine_given

    given = trial.views.cameras
    if trial.kept is None:
        return refine_given(trial.views).cameras
    if not trial.kept.exists():
        matched = refine_given(trial.views).cameras
        trial.kept.parent.mkdir(parents=True, exist_ok=True)
        tensors = {"disturbed": given.camera_from_world, "matches": matched.camera_from_world}
        save_tensors(trial.kept, tensors, {})
    tensors, _ = load_tensors(trial.kept, given.Ks.device)
    return replace(given, camera_from_world=tensors["matches"])


def by_photos(trial: Trial) -> Cameras:
    """As --refinement.rounds 2."""
    rounds = CameraRefinementConfig(rounds=2)
    return refine_by_photos(trial.views, stereo_of, rounds, PARTS.fit, trial.engine).cameras


def by_both(trial: Trial) -> Cameras:
    """The matches first, for they reach far; then the photos."""
    matched = by_matches(trial).to(trial.views.images[0].device)
    return by_photos(replace(trial, views=trial.views.with_cameras(matched)))


WAYS: dict[str, Callable[[Trial], Cameras]] = {
    "disturbed": lambda trial: trial.views.cameras,
    "matches": by_matches,
    "photos": by_photos,
    "both": by_both,
}


def moved_along(test: Views, true: Cameras, now: Cameras) -> Views:
    """Held-out cameras in the world in which the true train cameras are best met by those of now."""
    source, target, own = (c.camera_from_world.double().cpu().numpy() for c in (true, now, test.cameras))
    poses = torch.from_numpy(similarity_of_cameras(source, target).cameras(own)).to(test.cameras.Ks)
    return test.with_cameras(replace(test.cameras, camera_from_world=poses))


def errors(cameras: Cameras, truth: Cameras) -> dict[str, float]:
    """What a row says of the poses."""
    measured: PoseAccuracy = pose_accuracy(
        cameras.camera_from_world.cpu(), truth.camera_from_world.cpu(), range(len(truth))
    )
    return {
        "rot": float(measured.rotation.mean()),
        "dir": float(measured.direction.mean()),
        "ATE": 100 * measured.ate,
    }


def fitted(
    train: Views,
    test: Views,
    engine: Engine,
    clock: Stopwatch,
    parts: MethodConfig,
    align_steps: int,
) -> dict[str, float | None]:
    """PSNR of the held-out photos after a whole fit, and after their cameras are aligned to it."""
    result = fit_views(train, parts, engine, clock, lambda event: None)
    with clock.stage("evaluation"):
        scores = evaluate(result.state.gaussians, test, engine, near_plane(result.stereo))
        aligned = aligned_scores(result, test, AlignmentConfig(steps=align_steps), engine)
    return {"psnr": mean_scores(list(scores.values())).psnr, "psnr_aligned": aligned["psnr_aligned"]}


def main() -> None:
    parser = options_parser(__doc__, ["flower", "fountain"], [3])
    parser.add_argument("--ways", nargs="+", default=["true", *WAYS], choices=["true", *WAYS])
    parser.add_argument("--degrees", type=float, default=1.0)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--matched", type=Path, help="folder that keeps the cameras by matches")
    options = parser.parse_args()
    device = pick_device(options.device)
    engine = pick_engine("auto", device)
    show_head(COLUMNS)
    for name in options.scenes:
        for views in options.views:
            for seed in seeds(options):
                bench(name, views, seed, options, device, engine)


def bench(
    name: str, views: int, seed: int, options: argparse.Namespace, device: torch.device, engine: Engine
) -> None:
    """The rows of one scene and one disturbance."""
    train, test = (v.to(device) for v in scene_of(name, options.data, views, options.max_size))
    what = (name, views, seed, options.max_size, options.degrees, options.share)
    kept = options.matched and options.matched / ("-".join(map(str, what)) + ".safetensors")
    if kept is not None and kept.exists():
        poses = load_tensors(kept, device)[0]["disturbed"]
        given = replace(train.cameras, camera_from_world=poses)
    else:
        shift = options.share * stereo_of(train).scale
        given = disturbed(train.cameras, options.degrees, shift, seed)
    trial = Trial(train.with_cameras(given), engine, kept)
    start = errors(given, train.cameras)
    for way in options.ways:
        clock = Stopwatch(device)
        with clock.stage("cameras"):
            cameras = train.cameras if way == "true" else WAYS[way](trial)
        line: dict[str, object] = {"scene": name, "views": views, "way": way, "seed": seed}
        off = errors(cameras.to(device), train.cameras)
        ratio = sum(off[key] / start[key] for key in off) / len(off)
        line |= {key: round(value, 3) for key, value in off.items()}
        line |= {"smaller": round(1 / max(ratio, 1e-3), 1), "seconds": round(clock.seconds["cameras"], 1)}
        if not options.no_fit:
            moved = moved_along(test, train.cameras, cameras)
            parts = replace(PARTS, fit=replace(PARTS.fit, seed=seed))
            line |= fitted(train.with_cameras(cameras.to(device)), moved, engine, clock, parts, options.align)
        show_row(line, COLUMNS, options.output)


if __name__ == "__main__":
    main()
