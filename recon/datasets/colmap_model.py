"""COLMAP's cameras and images from disk, binary or text. https://colmap.github.io/format.html

Read here and not by pycolmap, which believes what a file says of its own length: a forged count of a few
bytes keeps it busy for minutes. Points, rigs and frames are not needed and not opened; the poses of images
are those of their rigs and frames already.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recon.datasets.files import readable
from recon.errors import InputError


class Model(NamedTuple):
    """One of COLMAP's camera models."""

    name: str
    parameters: int


MODELS = (
    Model("SIMPLE_PINHOLE", 3),
    Model("PINHOLE", 4),
    Model("SIMPLE_RADIAL", 4),
    Model("RADIAL", 5),
    Model("OPENCV", 8),
    Model("OPENCV_FISHEYE", 8),
    Model("FULL_OPENCV", 12),
    Model("FOV", 5),
    Model("SIMPLE_RADIAL_FISHEYE", 4),
    Model("RADIAL_FISHEYE", 5),
    Model("THIN_PRISM_FISHEYE", 12),
)
"""By their number in binary files."""
POINT_BYTES = 24
"""A keypoint: x and y as float64, the number of its 3D point as uint64."""


@dataclass(frozen=True)
class Camera:
    """A lens, not checked yet."""

    model: str
    width: int
    height: int
    parameters: tuple[float, ...]
    """One or two focal lengths, the principal point, the distortion."""


@dataclass(frozen=True)
class Image:
    """A photo that COLMAP registered, its pose not checked yet."""

    name: str
    camera: int
    camera_from_world: np.ndarray
    """(4, 4) float64, OpenCV axes; NaN for a quaternion of length 0."""


def read_model(folder: Path) -> tuple[dict[int, Camera], list[Image]]:
    """The cameras by number and the images of the model in `folder`.

    Raises InputError: a file is missing, cut off, or says what cannot be."""
    ending = "bin" if (folder / "cameras.bin").is_file() else "txt"
    cameras, images = folder / f"cameras.{ending}", folder / f"images.{ending}"
    read_cameras = _binary_cameras if ending == "bin" else _text_cameras
    read_images = _binary_images if ending == "bin" else _text_images
    try:
        with readable(folder):
            return dict(read_cameras(cameras.read_bytes())), list(read_images(images.read_bytes()))
    except (ValueError, IndexError, struct.error) as error:
        raise InputError(
            f"{folder} is not a complete COLMAP model ({error}); copy its cameras and images files again."
        ) from error


class _Bytes:
    """A file from which records are taken; raises struct.error at its end."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def take(self, form: str) -> tuple:
        values = struct.unpack_from(f"<{form}", self._content, self._at)
        self._at += struct.calcsize(f"<{form}")
        return values

    def word(self) -> str:
        """Up to the next zero byte."""
        end = self._content.index(b"\0", self._at)
        text = self._content[self._at : end].decode()
        self._at = end + 1
        return text

    def skip(self, count: int) -> None:
        if count > len(self._content) - self._at:
            raise ValueError(f"{count} bytes are promised where {len(self._content) - self._at} are left")
        self._at += count


def _binary_cameras(content: bytes) -> Iterator[tuple[int, Camera]]:
    file = _Bytes(content)
    for _ in range(file.take("Q")[0]):
        number, model, width, height = file.take("IiQQ")
        name, parameters = MODELS[model] if 0 <= model < len(MODELS) else _unknown(model)
        yield number, Camera(name, width, height, file.take(f"{parameters}d"))


def _binary_images(content: bytes) -> Iterator[Image]:
    file = _Bytes(content)
    for _ in range(file.take("Q")[0]):
        _, *pose, camera = file.take("I7dI")
        name = file.word()
        yield Image(name, camera, camera_from_world(pose))
        file.skip(POINT_BYTES * file.take("Q")[0])


def _text_cameras(content: bytes) -> Iterator[tuple[int, Camera]]:
    for line in _lines(content):
        number, model, width, height, *parameters = line.split()
        known = dict(MODELS).get(model) or _unknown(model)[1]
        if len(parameters) != known:
            raise ValueError(f"a {model} camera has {len(parameters)} parameters, not {known}")
        yield int(number), Camera(model, int(width), int(height), tuple(map(float, parameters)))


def _text_images(content: bytes) -> Iterator[Image]:
    # Every second line lists keypoints; it may be empty.
    for line in list(_lines(content, keep_empty=True))[::2]:
        if line.strip():
            _, *pose, camera, name = line.split(maxsplit=9)
            yield Image(name.strip(), int(camera), camera_from_world([float(value) for value in pose]))


def _lines(content: bytes, keep_empty: bool = False) -> Iterator[str]:
    for line in content.decode().split("\n"):
        if not line.startswith("#") and (keep_empty or line.strip()):
            yield line


def _unknown(model: int | str) -> Model:
    raise ValueError(f"there is no camera model {str(model)[:40]}")


def camera_from_world(pose: Sequence[float]) -> np.ndarray:
    """(4, 4) of a quaternion wxyz of any length and a translation."""
    matrix = np.eye(4)
    with np.errstate(all="ignore"):  # what is no number is refused later, by `check_pose`
        w, x, y, z = np.array(pose[:4]) / np.linalg.norm(pose[:4])
        matrix[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    matrix[:3, 3] = pose[4:]
    return matrix
