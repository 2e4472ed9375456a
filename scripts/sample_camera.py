"""The camera of rendered samples: where it stands, what Mitsuba is told of it, photos and exact depth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

Array = np.ndarray

EXPOSURE = 0.72
WHITE = 1.8
"""Radiance after exposure that is drawn as 1 (Reinhard's extended curve)."""


@dataclass(frozen=True)
class Lens:
    """A pinhole camera with its principal point in the middle; pixels."""

    width: int
    height: int
    focal: float


def look_at(centre: Array, target: Array) -> Array:
    """`world_from_camera` (4, 4), OpenCV axes, z up in the world: level horizon."""
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], 1)
    pose[:3, 3] = centre
    return pose


def sensor(pose: Array, lens: Lens, rfilter: str = "gaussian") -> dict[str, Any]:
    """Mitsuba's camera at an OpenCV pose; Mitsuba's x points left and its y up."""
    import mitsuba as mi

    return {
        "type": "perspective",
        "fov": float(2 * np.degrees(np.arctan(lens.width / 2 / lens.focal))),
        "fov_axis": "x",
        "near_clip": 0.05,
        "to_world": mi.ScalarTransform4f(pose @ np.diag([-1.0, -1.0, 1.0, 1.0])),
        "film": {
            "type": "hdrfilm",
            "width": lens.width,
            "height": lens.height,
            "pixel_format": "rgb",
            "rfilter": {"type": rfilter},
        },
        "sampler": {"type": "multijitter"},
    }


def develop(radiance: Array, exposure: float = EXPOSURE) -> Image.Image:
    """Exposure, highlights rolled off, sRGB curve, 8 bit."""
    linear = exposure * np.clip(radiance, 0, None)
    linear = linear * (1 + linear / WHITE**2) / (1 + linear / WHITE)
    encoded = np.where(
        linear < 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-8) ** (1 / 2.4) - 0.055
    )
    return Image.fromarray((np.clip(encoded, 0, 1) * 255).round().astype(np.uint8))


def depth_map(scene: Any, pose: Array, lens: Lens) -> Array:
    """(h, w) z-depth in metres through the pixel centres; 0 where nothing is hit."""
    y, x = np.mgrid[0 : lens.height, 0 : lens.width] + 0.5
    rays = [(x - lens.width / 2) / lens.focal, (y - lens.height / 2) / lens.focal, np.ones_like(x)]
    distance = cast(scene, pose[:3, 3], np.stack(rays, -1).reshape(-1, 3) @ pose[:3, :3].T)
    # Rays have z = 1 in the camera, so their length in units of themselves is the z-depth.
    return np.where(np.isfinite(distance), distance, 0).reshape(lens.height, lens.width).astype(np.float32)


def cast(scene: Any, origin: Array, directions: Array) -> Array:
    """(m,) how many `directions` (m, 3) it is from `origin` (3,) to the first surface, or infinity."""
    import mitsuba as mi

    start = mi.Point3f(*origin.tolist())
    if (mi.variant() or "").startswith("scalar"):  # which knows single rays alone
        hits = (
            scene.ray_intersect_preliminary(mi.Ray3f(start, mi.Vector3f(*d)), True)
            for d in directions.tolist()
        )
        return np.array([hit.t for hit in hits])
    rays = mi.Ray3f(start, mi.Vector3f(*directions.T.astype(np.float32)))
    return np.array(scene.ray_intersect_preliminary(rays, coherent=True).t)


def transforms(poses: dict[str, Array], lens: Lens) -> dict[str, Any]:
    """The cameras of photos by name as nerfstudio writes them (OpenGL axes: y up, z backward)."""
    frames = [
        {"file_path": path, "transform_matrix": (pose @ np.diag([1.0, -1.0, -1.0, 1.0])).tolist()}
        for path, pose in poses.items()
    ]
    return {
        "camera_model": "PINHOLE",
        "w": lens.width,
        "h": lens.height,
        "fl_x": lens.focal,
        "fl_y": lens.focal,
        "cx": lens.width / 2,
        "cy": lens.height / 2,
        "frames": frames,
    }
