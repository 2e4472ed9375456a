"""Renders a data set in the layout of the SpaRe benchmark: scenes of random things, with masks and depth.

    pip install 'recon[synthetic]'
    python scripts/make_spare.py OUTPUT --scenes 2 --width 400 --samples 16 --views track1
    python scripts/make_spare.py OUTPUT --scenes 80 --samples 256 --lights 0 1 2 3 4 5 6

The first takes minutes and serves to try things out, the second is of full size. DRJIT_LIBLLVM_PATH, naming
an LLVM library, makes it faster. Pictures that are there are not rendered again.

OUTPUT/SCENE/cam_NNN_LIGHT_0000.png   views, NNN from 1, 64 of them on a cap; LIGHT 3 has all lamps on
OUTPUT/masks/SCENE/III.png            where things are, III from 0
OUTPUT/depth/SCENE/III.npz            z-depth in metres at the pixel centres
OUTPUT/synth_calibration/pos_NNN.txt  3x4 projections to 1600 x 1200 pixels, whatever the width
OUTPUT/Track{1,2}_split_development.json
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import spare_scene
from PIL import Image
from sample_camera import develop, look_at

Array = np.ndarray

FULL_WIDTH, FULL_HEIGHT = 1600, 1200
FOCAL = 2890.0
"""Pixels of the full size; DTU's is 2892 by 2883."""
VIEWS, NEAR_VIEWS = 64, 49
"""All views, and those that the splits draw from: the others stand further away."""
INPUTS, TARGETS = {1: 3, 2: 9}, 10
"""Views a scene by track."""
LOOK_AT = np.array([0.0, 0.0, 0.05])


def world_from_camera(view: int) -> Array:
    """(4, 4), OpenCV axes: rows of a cap seen from one side of the table, walked back and forth."""
    near = view < NEAR_VIEWS
    columns, distance = (7, 0.70) if near else (5, 0.85)
    row, column = divmod(view if near else view - NEAR_VIEWS, columns)
    column = columns - 1 - column if row % 2 else column
    rows = 7 if near else 3
    azimuth = np.radians(-50 + 100 * column / (columns - 1))
    elevation = np.radians(18 + 47 * row / (rows - 1))
    centre = LOOK_AT + distance * np.array(
        [np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)]
    )
    return look_at(centre, LOOK_AT)


def projection(view: int) -> Array:
    """(3, 4): world to pixels of the full size."""
    K = np.array([[FOCAL, 0, FULL_WIDTH / 2], [0, FOCAL, FULL_HEIGHT / 2], [0, 0, 1]])
    return K @ np.linalg.inv(world_from_camera(view))[:3]


def draw_split(scenes: list[str], seed: int) -> dict[int, dict[str, Any]]:
    """Track -> split by the benchmark's law: 9 inputs, 3 of them for track 1; targets drawn a track."""
    tracks: dict[int, dict[str, Any]] = {1: {}, 2: {}}
    for number, scene in enumerate(scenes):
        rng = np.random.default_rng([seed, number])
        nine = rng.choice(NEAR_VIEWS, INPUTS[2], replace=False)
        for track, inputs in ((1, rng.choice(nine, INPUTS[1], replace=False)), (2, nine)):
            others = np.setdiff1d(np.arange(NEAR_VIEWS), inputs)
            tracks[track][scene] = {
                "input_views": sorted(inputs.tolist()),
                "test_views": sorted(rng.choice(others, TARGETS, replace=False).tolist()),
                "dataset": "Synthetic",
            }
    return tracks


def sensor(view: int, width: int, sampler: dict[str, Any], rfilter: str) -> dict[str, Any]:
    """Mitsuba's camera; its x points left and its y up."""
    import mitsuba as mi

    return {
        "type": "perspective",
        "fov": float(2 * np.degrees(np.arctan(FULL_WIDTH / 2 / FOCAL))),
        "fov_axis": "x",
        "near_clip": 0.05,
        "to_world": mi.ScalarTransform4f(world_from_camera(view) @ np.diag([-1.0, -1.0, 1.0, 1.0])),
        "film": {
            "type": "hdrfilm",
            "width": width,
            "height": width * FULL_HEIGHT // FULL_WIDTH,
            "rfilter": {"type": rfilter},
        },
        "sampler": sampler,
    }


def render(scene: Any, view: int, width: int, samples: int) -> Image.Image:
    import mitsuba as mi

    camera = mi.load_dict(sensor(view, width, {"type": "independent"}, "gaussian"))
    picture = np.array(mi.render(scene, sensor=camera, spp=samples, seed=mi.UInt32(view)))
    return develop(picture[..., :3])


def depth_map(scene: Any, view: int, width: int) -> Array:
    """(h, w) z-depth in metres through the pixel centres; 0 where nothing is hit."""
    import mitsuba as mi

    centred = {"type": "stratified", "sample_count": 1, "jitter": False}
    camera = mi.load_dict(sensor(view, width, centred, "box"))
    integrator = mi.load_dict({"type": "aov", "aovs": "at:position"})
    # The last three channels, whatever the film puts before.
    at = np.array(mi.render(scene, sensor=camera, integrator=integrator, spp=1))[..., -3:]
    forward = world_from_camera(view)
    depth = (at - forward[:3, 3]) @ forward[:3, 2]
    return np.where(np.abs(at).sum(-1) > 0, depth, 0).astype(np.float32)


def make_scene(output: Path, name: str, seed: int, views: list[int], arguments: argparse.Namespace) -> None:
    """The views of one scene, its masks and depth; what is there already stays."""
    import mitsuba as mi

    def load(light: int, things: bool = True) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            built = spare_scene.build(Path(folder), seed, light, things)
            return mi.load_dict({**built, "integrator": {"type": "path", "max_depth": 4}})

    for folder in (output / name, output / "masks" / name, output / "depth" / name):
        folder.mkdir(parents=True, exist_ok=True)
    full, table = load(spare_scene.ALL_ON), load(spare_scene.ALL_ON, things=False)
    for view in views:
        target = output / "depth" / name / f"{view:03d}.npz"
        if not target.exists():
            depth, bare = (depth_map(scene, view, arguments.width) for scene in (full, table))
            seen = (np.abs(depth - bare) > 1e-4).astype(np.uint8) * 255
            Image.fromarray(seen).save(output / "masks" / name / f"{view:03d}.png")
            np.savez_compressed(target, depth=depth)
    for light in arguments.lights:
        scene = full if light == spare_scene.ALL_ON else load(light)
        for view in views:
            target = output / name / f"cam_{view + 1:03d}_{light}_0000.png"
            if not target.exists():
                picture = render(scene, view, arguments.width, arguments.samples)
                picture.save(target.with_suffix(".tmp"), format="PNG")
                target.with_suffix(".tmp").replace(target)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("--scenes", type=int, default=2)
    parser.add_argument("--width", type=int, default=FULL_WIDTH, help="pixels; the height is 3/4 of it")
    parser.add_argument("--samples", type=int, default=256, help="light paths a pixel")
    parser.add_argument("--lights", type=int, nargs="+", default=[3], help="of 0 to 6; 3: all on")
    parser.add_argument("--views", choices=("all", "track1", "track2"), default="all")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another data set")
    arguments = parser.parse_args(argv)

    import mitsuba as mi

    mi.set_variant("llvm_ad_rgb" if "DRJIT_LIBLLVM_PATH" in os.environ else "scalar_rgb")
    names = [f"Synthetic{arguments.seed:02d}{number:03d}" for number in range(arguments.scenes)]
    calibration = arguments.output / "synth_calibration"
    calibration.mkdir(parents=True, exist_ok=True)
    for view in range(VIEWS):
        np.savetxt(calibration / f"pos_{view + 1:03d}.txt", projection(view))
    tracks = draw_split(names, arguments.seed)
    for track, split in tracks.items():
        path = arguments.output / f"Track{track}_split_development.json"
        path.write_text(json.dumps(split, indent=4) + "\n")
    for number, name in enumerate(names):
        if arguments.views == "all":
            views = list(range(VIEWS))
        else:
            entry = tracks[int(arguments.views[-1])][name]
            views = sorted(entry["input_views"] + entry["test_views"])
        make_scene(arguments.output, name, 1000 * arguments.seed + number, views, arguments)
        print(arguments.output / name)


if __name__ == "__main__":
    main()
