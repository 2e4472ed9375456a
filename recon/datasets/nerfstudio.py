"""nerfstudio and instant-ngp: one transforms.json. https://docs.nerf.studio/quickstart/data_conventions.html"""

from pathlib import Path
from typing import Any

import numpy as np

from recon.datasets.config import DataConfig
from recon.datasets.files import inside, read_json
from recon.datasets.photo_file import upright_size
from recon.datasets.posed import OPENCV_FROM_OPENGL, Shot, pixel_count, read_scene
from recon.errors import InputError
from recon.lens import Kind, Lens
from recon.scene import Scene

_KINDS: dict[str, Kind] = {
    "PINHOLE": "perspective",
    "SIMPLE_PINHOLE": "perspective",
    "OPENCV": "perspective",
    "OPENCV_FISHEYE": "fisheye",
}


def read(config: DataConfig) -> Scene:
    """The frames of `config.path/transforms.json` by name, without distortion.

    A frame's own intrinsics go before those at the top. `applied_transform` is in the poses already.

    Raises InputError: broken JSON, missing or impossible numbers, photos outside the folder.
    """
    source = config.path / "transforms.json"
    content = read_json(source)
    shots = [_shot({**content, **frame}, config.path, source) for frame in frames_of(content, source)]
    return read_scene(shots, config, config.test_every)


def frames_of(content: dict[str, Any], source: Path) -> list[dict[str, Any]]:
    """The list `frames`, each with a photo's name and a pose."""
    frames = content.get("frames")
    if not isinstance(frames, list) or not frames:
        raise InputError(f'{source} has no list "frames"; it is not a transforms file, write it again.')
    for i, frame in enumerate(frames):
        if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
            raise InputError(f'Frame {i} in {source} has no "file_path"; name its photo there.')
    return frames


def pose_of(frame: dict[str, Any], source: Path) -> np.ndarray:
    """`world_from_camera` (4, 4) in OpenCV axes of a frame, which has it in OpenGL's."""
    where = f'"transform_matrix" of {frame["file_path"]} in {source}'
    try:
        matrix = np.array(frame.get("transform_matrix"), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where} is not numbers; give a 4 x 4 matrix.") from error
    if matrix.shape not in ((4, 4), (3, 4)):
        raise InputError(f"{where} has shape {matrix.shape}; give a 4 x 4 matrix.")
    return np.concatenate([matrix, np.eye(4)[len(matrix) :]]) * OPENCV_FROM_OPENGL


def number(frame: dict[str, Any], key: str, source: Path) -> float:
    """A number of a frame. Raises InputError: there is none."""
    value = frame.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f'{source} gives {frame["file_path"]} {value!r} for "{key}"; give a number.')
    return float(value)


def _shot(frame: dict[str, Any], folder: Path, source: Path) -> Shot:
    path = inside(folder, frame["file_path"], source)
    mask, depth = frame.get("mask_path"), frame.get("depth_file_path")
    return Shot(
        path,
        pose_of(frame, source),
        _lens(frame, path, source),
        source,
        inside(folder, mask, source) if isinstance(mask, str) else None,
        inside(folder, depth, source) if isinstance(depth, str) else None,
    )


def _lens(frame: dict[str, Any], path: Path, source: Path) -> Lens:
    model = "OPENCV_FISHEYE" if frame.get("is_fisheye") else frame.get("camera_model", "OPENCV")
    if model not in _KINDS:
        raise InputError(
            f"{source} has a camera of model {model}, which is not read; use one of {', '.join(_KINDS)}."
        )
    stated = "w" in frame and "h" in frame
    width, height = (
        [pixel_count(number(frame, key, source)) for key in "wh"] if stated else upright_size(path)
    )
    focal_x = _focal(frame, "x", width, source)
    focal_y = _focal(frame, "y", height, source) if _has_focal(frame, "y") else focal_x
    centre = [
        number(frame, key, source) if key in frame else side / 2
        for key, side in (("cx", width), ("cy", height))
    ]
    K = np.array([[focal_x, 0, centre[0]], [0, focal_y, centre[1]], [0, 0, 1]])
    k1, k2, k3, k4, p1, p2 = (
        number(frame, key, source) if key in frame and "PINHOLE" not in model else 0.0
        for key in ("k1", "k2", "k3", "k4", "p1", "p2")
    )
    if _KINDS[model] == "fisheye":
        return Lens((width, height), K, "fisheye", (k1, k2, k3, k4))
    if k4:
        raise InputError(
            f"{source} has k4 = {k4:g} for a camera of model {model}, which knows none; set it to 0."
        )
    return Lens((width, height), K, "perspective", (k1, k2, p1, p2, k3))


def _has_focal(frame: dict[str, Any], axis: str) -> bool:
    return f"fl_{axis}" in frame or f"camera_angle_{axis}" in frame


def _focal(frame: dict[str, Any], axis: str, side: int, source: Path) -> float:
    """Focal length in pixels along an axis, given as such or by the field of view in radians."""
    if f"fl_{axis}" in frame or f"camera_angle_{axis}" not in frame:
        return number(frame, f"fl_{axis}", source)
    return focal_of_angle(number(frame, f"camera_angle_{axis}", source), side)


def focal_of_angle(angle: float, side: int) -> float:
    """Focal length in pixels of a field of view `angle` (radians) over `side` pixels; 0, which `read_views`
    refuses, for an impossible one."""
    return side / 2 / np.tan(angle / 2) if 0 < angle < np.pi else 0.0
