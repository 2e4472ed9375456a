"""Cameras of DTU and SpaRe: projection matrices pos_NNN.txt, or one file in Blender's format."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from recon.datasets.files import read_json, readable
from recon.datasets.nerfstudio import focal_of_angle, frames_of, number, pose_of
from recon.errors import InputError
from recon.lens import Lens

FULL_SIZE = (1600, 1200)
"""(width, height) of the pictures whose pixels the cameras speak of, whatever size the photos have."""

_DTU_FOLDERS = ("Calibration/cal18", "calibration/cal18", "dtu_calibration", "calibration")
_SPARE_FOLDERS = ("synth_calibration", "calibration")


@dataclass(frozen=True)
class Calibration:
    """Where the cameras of a scene are stated."""

    path: Path
    """A folder of pos_NNN.txt, NNN counted from 1, or a JSON file."""

    def source(self, index: int) -> Path:
        """The file that states camera `index`, counted from 0."""
        return self.path / f"pos_{index + 1:03d}.txt" if self.path.is_dir() else self.path

    def camera(self, index: int) -> tuple[np.ndarray, Lens]:
        """`world_from_camera` (4, 4) in OpenCV axes and the lens of camera `index`, counted from 0."""
        source = self.source(index)
        if self.path.is_dir():
            return decompose(read_matrix(source), source)
        return _blender_camera(source, index)


def calibration_for(scene: Path, is_dtu: bool) -> Calibration:
    """The cameras of the photos in the folder `scene`: there, or near the folders above it.

    Raises InputError if there are none, or several to choose from."""
    for place in _places(scene, _DTU_FOLDERS if is_dtu else _SPARE_FOLDERS):
        found = sorted({path.parent for path in place.rglob("pos_*.txt")})
        found = [folder for folder in found if folder.name == scene.name] or found
        found = found or sorted(path for path in place.rglob("*.json") if _is_blender(path))
        if len(found) > 1:
            raise InputError(f"{place} holds cameras in {found[0]} and {found[1]}; leave one of them there.")
        if found:
            return Calibration(found[0])
    raise InputError(
        f"No cameras for {scene}: neither pos_001.txt beside its photos nor a folder "
        f"{(_DTU_FOLDERS if is_dtu else _SPARE_FOLDERS)[0]} above it; copy the calibration there."
    )


def read_matrix(path: Path) -> np.ndarray:
    """The 3x4 matrix in a text file. Raises InputError for anything else."""
    with readable(path):
        try:
            matrix = np.array([line.split() for line in path.read_text().splitlines() if line.strip()], float)
        except ValueError as error:
            raise InputError(f"{path} is not a 3 x 4 matrix of numbers ({error}); copy it again.") from error
    if matrix.shape != (3, 4) or not np.isfinite(matrix).all() or not matrix[:, :3].any():
        raise InputError(f"{path} is not a 3 x 4 matrix of finite numbers; copy it again.")
    return matrix


def decompose(P: np.ndarray, source: Path) -> tuple[np.ndarray, Lens]:
    """`world_from_camera` (4, 4) in OpenCV axes and the lens of a projection matrix `P` (3, 4), which takes
    the world to pixels of FULL_SIZE and is known up to a factor, its sign included.

    The skew, some 1e-4 pixels in DTU's files, is left out. Raises InputError for a singular matrix."""
    if abs(np.linalg.det(P[:, :3])) < 1e-12 * np.abs(P[:, :3]).max() ** 3:
        raise InputError(
            f"{source} is not the projection of a camera (its 3 x 3 part is singular); copy it again."
        )
    K, camera_from_world, centre = cv2.decomposeProjectionMatrix(P * np.sign(np.linalg.det(P[:, :3])))[:3]
    K = K / K[2, 2]
    # The factors of a matrix are known up to the signs of the axes: a lens has positive focal lengths.
    signs = np.sign(np.diag(K))
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3] = (signs[:, None] * camera_from_world).T
    world_from_camera[:3, 3] = (centre[:3] / centre[3])[:, 0]
    K = K * signs
    return world_from_camera, Lens(
        FULL_SIZE, np.array([[K[0, 0], 0, K[0, 2]], [0, K[1, 1], K[1, 2]], [0, 0, 1]])
    )


def _places(scene: Path, names: tuple[str, ...]) -> Iterator[Path]:
    scene = scene.resolve()
    if any(scene.glob("pos_*.txt")):
        yield scene
    for parent in (scene, *scene.parents[:3]):
        yield from (parent / name for name in names if (parent / name).is_dir())


def _is_blender(path: Path) -> bool:
    return isinstance(read_json(path).get("frames"), list)


def _blender_camera(source: Path, index: int) -> tuple[np.ndarray, Lens]:
    """Camera `index` (from 0) of a file whose frames are named by the number from 1."""
    content = read_json(source)
    for frame in frames_of(content, source):
        digits = re.search(r"\d+", Path(frame["file_path"]).stem)
        if digits and int(digits[0]) == index + 1:
            width, height = FULL_SIZE
            focal = focal_of_angle(number({**content, **frame}, "camera_angle_x", source), width)
            K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
            return pose_of(frame, source), Lens(FULL_SIZE, K)
    raise InputError(f"{source} has no frame of camera {index + 1:03d}; add it, or leave the photo out.")
