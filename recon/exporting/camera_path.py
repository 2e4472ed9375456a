"""A camera's way through key frames, and its file: the JSON that nerfstudio's viewer writes and reads.

https://docs.nerf.studio/quickstart/custom_dataset.html has the axes: OpenGL's, x right, y up, z backward.
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError
from recon.exporting.paths import between_path
from recon.files import parse_json
from recon.scene import Cameras

OPENGL = (1.0, -1.0, -1.0, 1.0)
"""Turns OpenCV's axes into OpenGL's, and back."""
MAX_KEYS = 200
MAX_BYTES = 1 << 20
"""A file of more says something else."""
MAX_SIDE = 8192
"""Pixels; encoders refuse more."""


@dataclass(frozen=True)
class CameraPath:
    """Key frames and how long the way through them takes."""

    keys: tuple[Float[Tensor, "4 4"], ...] = ()
    """world_from_camera of each, in the order of the way."""
    fov: float = math.radians(60)
    """Vertical field of view of all, in radians."""
    seconds: float = 5.0
    fps: int = 24
    size: tuple[int, int] = (1280, 720)
    """(width, height) of the pictures, as a file asks for; the viewer takes its window's."""

    def with_key(self, world_from_camera: Float[Tensor, "4 4"], fov: float) -> "CameraPath":
        """One key frame more at the end; its field of view becomes that of all."""
        return replace(self, keys=(*self.keys, world_from_camera), fov=fov)

    def cameras(self, size: tuple[int, int]) -> Cameras:
        """One camera a frame, through all keys on a smooth curve, of (width, height) pixels made even.

        Raises InputError without key frames."""
        if not self.keys:
            raise InputError("The camera path has no key frames; add some where the camera is to pass.")
        width, height = size
        focal = height / 2 / math.tan(self.fov / 2)
        K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        poses = torch.linalg.inv(torch.stack(self.keys).double()).float()
        count = len(poses)
        stations = Cameras(poses, K.expand(count, 3, 3), (size,) * count)
        return between_path(stations, max(2, round(self.seconds * self.fps)), None)

    def to_json(self, size: tuple[int, int]) -> str:
        """With every frame, for programs that render, and the keys, for those that edit."""
        width, height = size
        degrees, aspect = math.degrees(self.fov), width / height

        def entry(name: str, pose: Float[Tensor, "4 4"]) -> dict[str, Any]:
            opengl = pose.double() * torch.tensor(OPENGL, dtype=torch.float64)
            return {name: opengl.flatten().tolist(), "fov": degrees, "aspect": aspect}

        frames = self.cameras(size).world_from_camera
        content = {
            "camera_type": "perspective",
            "render_width": width,
            "render_height": height,
            "fps": self.fps,
            "seconds": self.seconds,
            "is_cycle": False,
            "keyframes": [entry("matrix", key) for key in self.keys],
            "camera_path": [entry("camera_to_world", frame) for frame in frames],
        }
        return json.dumps(content, indent=1)

    @staticmethod
    def from_json(text: str | bytes) -> "CameraPath":
        """The path of such a file. Raises InputError for anything else."""
        if len(text) > MAX_BYTES:
            raise InputError("The camera path is larger than 1 MB; give a file that the viewer saved.")
        try:
            content = parse_json(text)
            entries = content["keyframes"]
            keys = tuple(_pose(entry["matrix"]) for entry in entries[:MAX_KEYS])
            degrees = float(entries[0]["fov"])
            seconds, fps = float(content["seconds"]), int(content["fps"])
            size = int(content["render_width"]), int(content["render_height"])
            if not (1 < degrees < 175 and 0 < seconds <= 3600 and 1 <= fps <= 120):
                raise ValueError("field of view, duration or frame rate is out of range")
            if not 2 <= min(size) <= max(size) <= MAX_SIDE:
                raise ValueError(f"pictures of {size[0]} x {size[1]} pixels cannot be made")
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise InputError(
                f"This is no camera path ({error!r}); give one that the viewer saved."
            ) from error
        return CameraPath(keys, math.radians(degrees), seconds, fps, size)

    @staticmethod
    def read(path: Path) -> "CameraPath":
        """The path of a file. Raises InputError for one that is not there, or is something else."""
        try:
            return CameraPath.from_json(path.read_bytes()[: MAX_BYTES + 1])
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); save one in the viewer.") from error

    def moved(self, rigid: Float[Tensor, "4 4"]) -> "CameraPath":
        """The same way past a scene that was moved by `rigid`, new_from_old."""
        return replace(self, keys=tuple(rigid.to(key) @ key for key in self.keys))


def _pose(values: list[float]) -> Float[Tensor, "4 4"]:
    """world_from_camera in OpenCV's axes of 16 numbers in OpenGL's, row by row."""
    if len(values) != 16:
        raise ValueError(f"a key frame's matrix has {len(values)} numbers")
    matrix = torch.tensor([float(value) for value in values], dtype=torch.float64).reshape(4, 4)
    rotation = matrix[:3, :3]
    rigid = torch.allclose(rotation @ rotation.T, torch.eye(3, dtype=torch.float64), atol=1e-3)
    affine = matrix[3].tolist() == [0, 0, 0, 1]
    if not (matrix.isfinite().all() and rigid and affine and float(torch.linalg.det(rotation)) > 0):
        raise ValueError("a key frame's matrix is not a rotation and a place")
    return (matrix * torch.tensor(OPENGL, dtype=torch.float64)).float()
