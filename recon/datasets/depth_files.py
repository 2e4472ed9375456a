"""Depth maps that a sensor took beside the photos: 16-bit PNG in millimetres, .npy in metres.

What their unit really is does not matter much: the depth is aligned to the cameras before it is used.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from recon.datasets.files import readable
from recon.datasets.photo_file import MAX_PIXELS, Photo, same_shape
from recon.datasets.undistort import undistort
from recon.errors import InputError
from recon.lens import Lens

METRES_PER_STEP = 1e-3
"""Of 16-bit PNG: millimetres, as iPhone exporters, RGB-D data sets and nerfstudio have it."""
SAME_SURFACE = 1.1
"""Neighbouring pixels whose depths differ by a larger factor lie on either side of an edge, where a sensor
mixes both."""


def find_depths(photos: Sequence[Path], where: Path | str) -> dict[Path, Path]:
    """The depth file of each photo that has one, called as the photo (a.png or a.npy for a.jpg): in the
    folder `where`; for "auto" in a folder `depth` inside or beside that of the photos; none for "none".

    Raises InputError: a folder is given and holds a map for none of the photos.
    """
    if where == "none":
        return {}
    folder, found = where if isinstance(where, Path) else None, {}
    for photo in photos:
        places = [folder] if folder else [photo.parent / "depth", photo.parent.parent / "depth"]
        names = [f"{name}{kind}" for name in (photo.stem, photo.name) for kind in (".npy", ".png")]
        named = [place / name for place in places for name in names]
        file = next((file for file in named if file.is_file()), None)
        if file is not None:
            found[photo] = file
    if folder and photos and not found:
        raise InputError(f"{folder} holds no map named as a photo; call that of a.jpg a.png or a.npy.")
    return found


def with_depth(photo: Photo, path: Path | None) -> Photo:
    """`photo` with the depth map at `path`, at the size of its image; unknown at the edges of surfaces.

    Raises InputError: the map is unreadable, of another kind, or of another shape than the photo.
    """
    if path is None:
        return photo
    metres = read_depth(path)
    height, width = metres.shape
    if not same_shape((width, height), photo.full_size):
        raise InputError(
            f"The depth map {path} is {width} x {height} pixels, which is not the shape of its photo, "
            f"{photo.full_size[0]} x {photo.full_size[1]}; turn or crop it alike, or use --sensor-depth none."
        )
    size = (photo.image.shape[1], photo.image.shape[0])
    return replace(photo, depth=torch.from_numpy(at_size(metres, size)))


def read_depth(path: Path) -> np.ndarray:
    """(h, w) float32, metres along the camera's axis; 0 where the sensor saw nothing.

    Raises InputError for what is no 16-bit PNG and no two-dimensional .npy of floats.
    """
    metres = _read_npy(path) if path.suffix == ".npy" else _read_png(path)
    return np.where(np.isfinite(metres) & (metres > 0), metres, 0).astype(np.float32)


def at_size(metres: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The map (h, w) at `size` (width, height), interpolated within surfaces alone; 0 across their edges."""
    square = np.ones((3, 3), np.uint8)
    seen = metres > 0
    farthest, nearest = cv2.dilate(metres, square), cv2.erode(np.where(seen, metres, np.inf), square)
    known = (seen & (farthest / SAME_SURFACE < nearest)).astype(np.float32)
    enlarged = cv2.resize(metres * known, size, interpolation=cv2.INTER_LINEAR)
    whole = cv2.resize(known, size, interpolation=cv2.INTER_LINEAR) > 1 - 1e-4
    return np.where(whole, enlarged, 0).astype(np.float32)


def undistorted_depth(metres: np.ndarray, lens: Lens) -> np.ndarray:
    """The map (h, w), at `lens.size`, as the pinhole camera of `undistort` would have it."""
    pixels, known, _ = undistort(np.repeat(metres[..., None], 3, axis=2), metres > 0, lens)
    return pixels[..., 0] if known is None else np.where(known, pixels[..., 0], 0).astype(np.float32)


def _read_npy(path: Path) -> np.ndarray:
    with readable(path):
        try:
            # Mapped, so that the shape is held against the length before memory is taken.
            stored = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            if isinstance(error, PermissionError | FileNotFoundError):
                raise
            raise InputError(
                f"{path} is no array of numpy ({error}); write it again with numpy.save."
            ) from error
    if not isinstance(stored, np.ndarray) or stored.ndim != 2 or stored.dtype.kind != "f":
        raise InputError(f"{path} is no two-dimensional array of floats; save the depth in metres, (h, w).")
    if not 0 < stored.size <= MAX_PIXELS:
        raise InputError(f"{path} holds {stored.size} pixels; give one depth a pixel of the photo, or fewer.")
    return np.array(stored, dtype=np.float32)


def _read_png(path: Path) -> np.ndarray:
    with readable(path):
        try:
            with Image.open(path, formats=["PNG"]) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise InputError(f"{path} is larger than any sensor; reduce it.")
                mode, steps = picture.mode, np.asarray(picture)
        except (UnidentifiedImageError, SyntaxError, ValueError, EOFError, OSError) as error:
            if isinstance(error, PermissionError | FileNotFoundError):
                raise
            raise InputError(
                f"The depth map {path} is damaged ({error}); copy it again or remove it."
            ) from error
    if not (mode.startswith("I;16") or mode == "I"):
        raise InputError(
            f"The depth map {path} is a picture of mode {mode}; give 16-bit grey in millimetres, or "
            "--sensor-depth none."
        )
    return steps.astype(np.float32) * METRES_PER_STEP
