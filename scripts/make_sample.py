"""Renders the bundled sample: nine photos of a yard that exists nowhere else, with their cameras beside them.

    pip install -e .[synthetic] && python scripts/make_sample.py            writes examples/photos
    python scripts/make_sample.py --depth runs/true_depth                   writes exact depth maps too
    python scripts/make_sample.py --depth runs/true_depth --depth-only --only yard
                                                the six input views' depth, no photos: two minutes on one core

Photos take five minutes on two idle cores. Mitsuba's `scalar_rgb` needs nothing else; `llvm_ad_rgb`, which is
faster, is taken where DRJIT_LIBLLVM_PATH names an LLVM library of version 16 or newer.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import sample_scene
from PIL import Image
from PIL.TiffImagePlugin import IFDRational
from sample_camera import Lens, depth_map, develop, look_at, sensor, transforms

Array = np.ndarray

LENS = Lens(640, 480, 520.0)
"""Pixels. 28 mm on a 43.3 mm diagonal, as EXIF says, is 517.7: half a per cent off, as phones are."""
LOOK_AT = (0.05, 0.35, 0.55)
INPUTS = {  # name: azimuth in degrees, distance and height in metres
    "yard_1": (-24, 2.25, 1.00),
    "yard_2": (-14, 2.15, 1.32),
    "yard_3": (-5, 2.30, 0.92),
    "yard_4": (5, 2.10, 1.22),
    "yard_5": (14, 2.25, 0.98),
    "yard_6": (23, 2.15, 1.28),
}
HELD_OUT = {
    "test_1": (-18, 2.20, 1.18),
    "test_2": (0, 2.20, 1.05),
    "test_3": (18, 2.20, 1.12),
}
SEED = 7


def world_from_camera(azimuth: float, distance: float, height: float) -> Array:
    """(4, 4), OpenCV axes, in the yard's frame (z up): on a circle around LOOK_AT, level horizon."""
    target = np.array(LOOK_AT)
    angle = np.radians(azimuth)
    centre = np.array([target[0] + distance * np.sin(angle), target[1] - distance * np.cos(angle), height])
    return look_at(centre, target)


def exif() -> Image.Exif:
    """What a phone writes about its lens."""
    tags = Image.Exif()
    tags[0x010F], tags[0x0110] = "recon", "rendered sample"
    tags[0x0112] = 1  # upright
    details = tags.get_ifd(0x8769)
    details[0x920A] = IFDRational(420, 100)  # focal length, mm
    details[0xA405] = 28  # the same as on 35 mm film
    return tags


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).parent.parent / "examples" / "photos")
    parser.add_argument("--depth", type=Path, help="folder for exact depth maps, one .npz a photo")
    parser.add_argument(
        "--samples", type=int, default=64, help="light paths a pixel; 64 leave noise of 39 dB"
    )
    parser.add_argument("--depth-only", action="store_true", help="write no photos")
    parser.add_argument("--only", help="the photos alone that have this in their name")
    arguments = parser.parse_args()
    if arguments.depth_only and not arguments.depth:
        parser.error("--depth-only needs a folder to write to; give it with --depth")

    import mitsuba as mi

    mi.set_variant("llvm_ad_rgb" if "DRJIT_LIBLLVM_PATH" in os.environ else "scalar_rgb")
    poses = {f"input/{name}.jpg": world_from_camera(*spot) for name, spot in INPUTS.items()}
    poses |= {f"held_out/{name}.jpg": world_from_camera(*spot) for name, spot in HELD_OUT.items()}
    with tempfile.TemporaryDirectory() as folder:
        scene = mi.load_dict(
            {**sample_scene.build(Path(folder), SEED), "integrator": {"type": "path", "max_depth": 5}}
        )
    for number, (path, pose) in enumerate(poses.items()):
        if arguments.only and arguments.only not in path:
            continue
        target = arguments.output / path
        if arguments.depth:
            arguments.depth.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(arguments.depth / f"{target.stem}.npz", depth=depth_map(scene, pose, LENS))
        if not arguments.depth_only:
            target.parent.mkdir(parents=True, exist_ok=True)
            photo = mi.render(
                scene, sensor=mi.load_dict(sensor(pose, LENS)), spp=arguments.samples, seed=mi.UInt32(number)
            )
            develop(np.array(photo)).save(target, quality=92, subsampling=0, exif=exif())
        print(target)
    if not arguments.depth_only:
        (arguments.output / "cameras.json").write_text(json.dumps(transforms(poses, LENS), indent=1) + "\n")


if __name__ == "__main__":
    main()
