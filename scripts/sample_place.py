"""Where rendered samples are put together: meshes with their materials, lamps, the sky. Metres, z up."""

from pathlib import Path
from typing import Any

import numpy as np
import sample_shapes as shapes
from sample_shapes import Mesh

Array = np.ndarray
Rng = np.random.Generator


class Place:
    """Collects meshes with their materials into a Mitsuba dictionary without camera.

    Meshes go through PLY files in `folder`, which must outlive the loading of the scene."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.things: dict[str, Any] = {"type": "scene"}

    def add(
        self, mesh: Mesh, picture: Array, roughness: float = 0.8, specular: float = 0.3, metallic: float = 0.0
    ) -> None:
        """`mesh` covered with an sRGB `picture` (h, w, 3), both sides alike."""
        import mitsuba as mi

        material = {
            "type": "principled",
            "base_color": {"type": "bitmap", "bitmap": mi.Bitmap(_bytes(picture))},
            "roughness": roughness,
            "specular": specular,
            **({"metallic": metallic} if metallic else {}),
        }
        self._put(mesh, {"bsdf": {"type": "twosided", "material": material}})

    def add_light(self, mesh: Mesh, radiance: Array) -> None:
        """`mesh` as a lamp of linear RGB `radiance` (3,) that shines along its normals."""
        self._put(
            mesh, {"emitter": {"type": "area", "radiance": {"type": "rgb", "value": radiance.tolist()}}}
        )

    def _put(self, mesh: Mesh, looks: dict[str, Any]) -> None:
        name = f"thing{len(self.things):03d}"
        path = self.folder / f"{name}.ply"
        shapes.write_ply(path, mesh)
        self.things[name] = {"type": "ply", "filename": str(path), **looks}


def _bytes(picture: Array) -> Array:
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)


def sky() -> dict[str, Any]:
    """A bright overcast sky with a veiled sun high on the right, behind the camera: soft shadows."""
    import mitsuba as mi

    h, w = 256, 512
    elevation = np.linspace(np.pi / 2, -np.pi / 2, h)[:, None, None]
    azimuth = np.linspace(-np.pi, np.pi, w)[None, :, None]
    direction = np.concatenate(
        [
            -np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation) + 0 * azimuth,
            np.cos(elevation) * np.cos(azimuth),
        ],
        2,
    )
    up = np.clip(np.sin(elevation), 0, 1)
    radiance = (1 - up) * np.array([0.95, 0.98, 1.02]) + up * np.array([0.45, 0.62, 0.95])
    radiance = np.where(elevation < 0, np.array([0.22, 0.19, 0.16]), 0.7 * radiance + 0 * azimuth)
    sun = np.array([0.50, 0.75, 0.62]) / np.linalg.norm([0.50, 0.75, 0.62])
    glow = np.clip((direction @ sun)[..., None], 0, 1)
    radiance = radiance + np.array([1.0, 0.90, 0.74]) * (
        1.2 * glow**24 + 330 * (glow > np.cos(np.radians(4)))
    )
    return {
        "type": "envmap",
        "bitmap": mi.Bitmap(radiance.astype(np.float32)),
        "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], 90),
    }
