"""LLFF: poses_bounds.npy beside images_8 (or another reduction). https://github.com/Fyusion/LLFF"""

import re
from pathlib import Path

import numpy as np

from recon.datasets.config import DataConfig
from recon.datasets.files import list_photos, readable
from recon.datasets.posed import Shot, pixel_count, read_scene
from recon.datasets.splits import PROTOCOL_TEST_EVERY
from recon.errors import InputError
from recon.lens import Lens
from recon.scene import Scene

_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>]f[48])', 'fortran_order': (True|False), "
    rb"'shape': \((\d{1,9})L?, 17L?\), \} *\n",
    re.DOTALL,
)
"""What NumPy writes before an array of numbers with 17 columns; Python 2 put an L behind whole numbers."""


def read(config: DataConfig) -> Scene:
    """The photos of `images_{llff_factor}` as they are (if `max_size` allows) and their cameras.

    With `views` given the split is the protocol's: of the names in order, every 8th is held out and the train
    views are spread over the others.

    Raises InputError: missing or damaged files, another number of cameras than of photos.
    """
    factor = config.llff_factor
    folder = config.path / (f"images_{factor}" if factor > 1 else "images")
    if not folder.is_dir():
        found = ", ".join(sorted(path.name for path in config.path.glob("images*"))) or "none"
        raise InputError(
            f"{folder} does not exist (there: {found}); set llff_factor to a reduction that does."
        )
    photos = list_photos(folder)
    source = config.path / "poses_bounds.npy"
    rows = _rows(source)
    if len(rows) != len(photos):
        raise InputError(
            f"{source} holds {len(rows)} cameras but {folder} {len(photos)} photos; each needs one."
        )
    shots = [Shot(path, *_camera(row), source) for path, row in zip(photos, rows, strict=True)]
    protocol = PROTOCOL_TEST_EVERY if config.views is not None else 0
    return read_scene(shots, config, config.test_every or protocol)


def _rows(source: Path) -> np.ndarray:
    """(n, 17): a row-major 3x5 matrix and the near and far bounds of each photo.

    The header is compared with the one form that fits, not evaluated, and its promise with the file's length.
    """
    with readable(source):
        content = source.read_bytes()
    header = _HEADER.match(content)
    if header is None:
        raise InputError(f"{source} is not a NumPy array of 17 numbers a photo; copy it again.")
    kind, is_transposed, count = np.dtype(header[1].decode()), header[2] == b"True", int(header[3])
    promised, there = count * 17 * kind.itemsize, len(content) - header.end()
    if promised != there:
        raise InputError(
            f"{source} has {there} bytes of numbers where its header promises {promised}; copy it again."
        )
    rows = np.frombuffer(content, kind, offset=header.end())
    return rows.reshape(count, 17, order="F" if is_transposed else "C").astype(np.float64)


def _camera(row: np.ndarray) -> tuple[np.ndarray, Lens]:
    """The pose and the lens of a row, whose 3x5 columns are the camera's down, right and backward axes in the
    world, its centre, and (height, width, focal length in pixels)."""
    down, right, backward, centre, (height, width, focal) = row[:15].reshape(3, 5).T
    world_from_camera = np.eye(4)
    world_from_camera[:3] = np.stack([right, down, -backward, centre], axis=1)
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return world_from_camera, Lens((pixel_count(width), pixel_count(height)), K)
