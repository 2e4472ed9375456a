"""Renders the bundled sample: nine photos of a yard that exists nowhere else, with their cameras beside them.

    pip install -e .[synthetic] && python scripts/make_sample.py            writes examples/photos
    python scripts/make_sample.py --depth runs/depth                        writes exact depth maps too

Takes five minutes on two idle cores. Mitsuba's `scalar_rgb` needs nothing else; `llvm_ad_rgb`, which --depth
needs, is taken where DRJIT_LIBLLVM_PATH names an LLVM library of version 16 or newer.
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
    import mitsuba as mi

    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    rays = np.stack([(x - WIDTH / 2) / FOCAL, (y - HEIGHT / 2) / FOCAL, np.ones_like(x)], -1).reshape(-1, 3)
    directions = rays @ pose[:3, :3].T
    origins = np.broadcast_to(pose[:3, 3], directions.shape)
    ray = mi.Ray3f(mi.Point3f(*origins.T.astype(np.float32)), mi.Vector3f(*directions.T.astype(np.float32)))
    hit = scene.ray_intersect_preliminary(ray, coherent=True)
    distance = np.array(hit.t)  # rays have z = 1 in the camera, so this is the z-depth
    return np.where(np.isfinite(distance), distance, 0).reshape(HEIGHT, WIDTH).astype(np.float32)


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
    parser.add_argument("--only", help="render this photo alone")
    arguments = parser.parse_args()
    variant = "llvm_ad_rgb" if "DRJIT_LIBLLVM_PATH" in os.environ else "scalar_rgb"
    if arguments.depth and variant == "scalar_rgb":
        parser.error("--depth needs an LLVM library; name it in DRJIT_LIBLLVM_PATH")

    import mitsuba as mi

    mi.set_variant(variant)
    poses = {f"input/{name}.jpg": world_from_camera(*spot) for name, spot in INPUTS.items()}
    poses |= {f"held_out/{name}.jpg": world_from_camera(*spot) for name, spot in HELD_OUT.items()}
    with tempfile.TemporaryDirectory() as folder:
        scene = mi.load_dict(
            {**sample_scene.build(Path(folder), SEED), "integrator": {"type": "path", "max_depth": 5}}
        )
    for number, (path, pose) in enumerate(poses.items()):
        if arguments.only and arguments.only not in path:
            continue
        radiance = np.array(
            mi.render(scene, sensor=mi.load_dict(sensor(pose)), spp=arguments.samples, seed=mi.UInt32(number))
        )
        target = arguments.output / path
        target.parent.mkdir(parents=True, exist_ok=True)
        develop(radiance).save(target, quality=92, subsampling=0, exif=exif())
        if arguments.depth:
            arguments.depth.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(arguments.depth / f"{target.stem}.npz", depth=depth_map(scene, pose))
        print(target)
    (arguments.output / "cameras.json").write_text(json.dumps(transforms(poses), indent=1) + "\n")


if __name__ == "__main__":
    main()
