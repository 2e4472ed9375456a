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
from typing import Any

import numpy as np
import sample_scene
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

Array = np.ndarray

WIDTH, HEIGHT = 640, 480
FOCAL = 520.0
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
EXPOSURE = 0.72
WHITE = 1.8
"""Radiance after exposure that is drawn as 1 (Reinhard's extended curve)."""


def world_from_camera(azimuth: float, distance: float, height: float) -> Array:
    """(4, 4), OpenCV axes, in the yard's frame (z up): on a circle around LOOK_AT, level horizon."""
    target = np.array(LOOK_AT)
    angle = np.radians(azimuth)
    centre = np.array([target[0] + distance * np.sin(angle), target[1] - distance * np.cos(angle), height])
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
    pose[:3, 3] = centre
    return pose


def sensor(pose: Array) -> dict[str, Any]:
    """Mitsuba's camera at an OpenCV pose; Mitsuba's x points left and its y up."""
    import mitsuba as mi

    return {
        "type": "perspective",
        "fov": float(2 * np.degrees(np.arctan(WIDTH / 2 / FOCAL))),
        "fov_axis": "x",
        "near_clip": 0.05,
        "to_world": mi.ScalarTransform4f(pose @ np.diag([-1.0, -1.0, 1.0, 1.0])),
        "film": {
            "type": "hdrfilm",
            "width": WIDTH,
            "height": HEIGHT,
            "pixel_format": "rgb",
            "rfilter": {"type": "gaussian"},
        },
        "sampler": {"type": "multijitter"},
    }


def develop(radiance: Array) -> Image.Image:
    """Exposure, highlights rolled off, sRGB curve, 8 bit."""
    linear = EXPOSURE * np.clip(radiance, 0, None)
    linear = linear * (1 + linear / WHITE**2) / (1 + linear / WHITE)
    encoded = np.where(
        linear < 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-8) ** (1 / 2.4) - 0.055
    )
    return Image.fromarray((np.clip(encoded, 0, 1) * 255).round().astype(np.uint8))


def exif() -> Image.Exif:
    """What a phone writes about its lens."""
    tags = Image.Exif()
    tags[0x010F], tags[0x0110] = "recon", "rendered sample"
    tags[0x0112] = 1  # upright
    details = tags.get_ifd(0x8769)
    details[0x920A] = IFDRational(420, 100)  # focal length, mm
    details[0xA405] = 28  # the same as on 35 mm film
    return tags


def depth_map(scene: Any, pose: Array) -> Array:
    """(h, w) z-depth in metres through the pixel centres; 0 where nothing is hit."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    rays = np.stack([(x - WIDTH / 2) / FOCAL, (y - HEIGHT / 2) / FOCAL, np.ones_like(x)], -1).reshape(-1, 3)
    distance = cast(scene, pose[:3, 3], rays @ pose[:3, :3].T)
    # Rays have z = 1 in the camera, so their length in units of themselves is the z-depth.
    return np.where(np.isfinite(distance), distance, 0).reshape(HEIGHT, WIDTH).astype(np.float32)


def cast(scene: Any, origin: Array, directions: Array) -> Array:
    """(m,) how many `directions` (m, 3) it is from `origin` (3,) to the first surface, or infinity."""
    import mitsuba as mi

    start = mi.Point3f(*origin)
    if (mi.variant() or "").startswith("scalar"):  # which knows single rays alone
        hits = (scene.ray_intersect_preliminary(mi.Ray3f(start, mi.Vector3f(*d)), True) for d in directions)
        return np.array([hit.t for hit in hits])
    rays = mi.Ray3f(start, mi.Vector3f(*directions.T.astype(np.float32)))
    return np.array(scene.ray_intersect_preliminary(rays, coherent=True).t)


def transforms(poses: dict[str, Array]) -> dict[str, Any]:
    """The cameras as nerfstudio names them (OpenGL axes: y up, z backward)."""
    frames = [
        {"file_path": path, "transform_matrix": (pose @ np.diag([1.0, -1.0, -1.0, 1.0])).tolist()}
        for path, pose in poses.items()
    ]
    return {
        "camera_model": "PINHOLE",
        "w": WIDTH,
        "h": HEIGHT,
        "fl_x": FOCAL,
        "fl_y": FOCAL,
        "cx": WIDTH / 2,
        "cy": HEIGHT / 2,
        "frames": frames,
    }


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
            np.savez_compressed(arguments.depth / f"{target.stem}.npz", depth=depth_map(scene, pose))
        if not arguments.depth_only:
            target.parent.mkdir(parents=True, exist_ok=True)
            photo = mi.render(
                scene, sensor=mi.load_dict(sensor(pose)), spp=arguments.samples, seed=mi.UInt32(number)
            )
            develop(np.array(photo)).save(target, quality=92, subsampling=0, exif=exif())
        print(target)
    if not arguments.depth_only:
        (arguments.output / "cameras.json").write_text(json.dumps(transforms(poses), indent=1) + "\n")


if __name__ == "__main__":
    main()
