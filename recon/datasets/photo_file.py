"""One photo file in, sRGB floats out: size limits, decoding, colour, EXIF orientation and focal length."""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

from recon.datasets.files import readable
from recon.errors import InputError, MachineError

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF")
"""The only decoders a file can reach, whatever its name says."""

MAX_PIXELS = 200_000_000
"""Phones reach 16320 x 12240. A file that declares more is refused before a pixel is read: decoded to RGBA
it would take over 800 MB."""

_FULL_FRAME_DIAGONAL = math.hypot(36.0, 24.0)  # mm; CIPA DCG-001 defines 35 mm equivalence by the diagonal
_MILLIMETRES_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # EXIF FocalPlaneResolutionUnit
_TURNED = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height


@dataclass(frozen=True)
class Photo:
    """A decoded photo, upright, at most the wanted size."""

    image: Float[Tensor, "_h _w 3"]
    """sRGB in [0, 1]."""
    mask: Bool[Tensor, "_h _w"] | None
    """True where the file's alpha is opaque; None without alpha."""
    full_size: tuple[int, int]
    """(width, height) of the upright file."""
    focal_prior: float | None
    """Focal length by EXIF in pixels of `image`; None where the file does not say."""
    depth: Float[Tensor, "_h _w"] | None = None
    """z-depth by a sensor, 0 where it saw nothing; None where no map lies beside the file."""


def read_photo(
    path: Path, max_size: int, *, like: tuple[int, int] | None = None, backdrop: float | None = None
) -> Photo:
    """The photo at `path`, its longer side reduced to `max_size` with an area filter; never enlarged.

    EXIF orientation is applied, unless `like`, the (width, height) for which the photo's camera was
    calibrated, has the shape of the stored pixels. A colour profile in the file is converted to sRGB.
    `backdrop` (1: white) is put behind transparent pixels; without it they are outside the mask.

    Raises InputError: no such file, no permission, not one of `FORMATS`, damaged, or over `MAX_PIXELS`.
    """
    pixels, full_size, focal = decode(path, max_size, like=like)
    size = fit_size(full_size, max_size)
    white = np.iinfo(pixels.dtype).max
    rgb, alpha = pixels[..., :3], pixels[..., 3] if pixels.shape[2] == 4 else None
    if alpha is not None and backdrop is not None:
        opacity = alpha[..., None].astype(np.float32) / white
        rgb = np.rint(rgb * opacity + backdrop * white * (1 - opacity)).astype(pixels.dtype)
    mask = None if alpha is None else reduce_mask(alpha > white // 2, size)
    return Photo(
        torch.from_numpy(reduce_area(rgb, size).astype(np.float32) / white),
        None if mask is None or mask.all() else torch.from_numpy(mask),
        full_size,
        None if focal is None else focal * max(size) / max(full_size),
    )


def decode(
    path: Path, max_size: int | None, *, like: tuple[int, int] | None = None
) -> tuple[np.ndarray, tuple[int, int], float | None]:
    """The file's pixels as (h, w, 3) or, with alpha, (h, w, 4), sRGB in uint8 or uint16; its full (width,
    height); its focal length in full pixels, if known.

    At least `max_size` pixels along the longer side are decoded, or as many as there are; None: all of them.
    `like` and errors as for `read_photo`."""
    with _opened(path) as picture:
        stored_size, orientation = picture.size, picture.getexif().get(ExifTags.Base.Orientation, 1)
        turn = like is None or not same_shape(stored_size, like)
        full_size = _turned(stored_size, orientation) if turn else stored_size
        focal = exif_focal(picture)
        if max_size is not None:  # a JPEG is decoded at 1/2, 1/4 or 1/8 where that leaves enough pixels
            picture.draft(None, fit_size(stored_size, max_size))
        return _pixels(ImageOps.exif_transpose(picture) if turn else picture, path), full_size, focal


def fit_size(size: tuple[int, int], max_size: int) -> tuple[int, int]:
    """`size` (width, height) reduced, if need be, so that the longer side is `max_size`."""
    scale = min(1.0, max_size / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def same_shape(size: tuple[int, int], like: tuple[int, int]) -> bool:
    """Whether `size` is `like` up to a scale, within the rounding of one pixel."""
    return abs(size[0] * like[1] - size[1] * like[0]) <= max(*size, *like)


def reduce_area(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`pixels` (h, w, ...) averaged down to `size` (width, height); untouched if it has that size."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    return cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA)


def reduce_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A boolean mask (h, w) at `size`: a pixel counts where everything it covers counts, so that no colour
    from outside bleeds in."""
    return reduce_area(mask.astype(np.uint8) * 255, size) == 255


def exif_focal(picture: Image.Image) -> float | None:
    """Focal length in pixels of the full file, from its 35 mm equivalent or else its sensor's pixel pitch.

    A prior: some makers round the equivalent, and a crop keeps the numbers of the whole picture."""
    exif = picture.getexif().get_ifd(ExifTags.IFD.Exif)
    equivalent = _positive(exif.get(ExifTags.Base.FocalLengthIn35mmFilm))
    if equivalent is not None:
        return equivalent * math.hypot(*picture.size) / _FULL_FRAME_DIAGONAL
    focal = _positive(exif.get(ExifTags.Base.FocalLength))
    pitch = _positive(exif.get(ExifTags.Base.FocalPlaneXResolution))
    unit = _MILLIMETRES_PER_UNIT.get(exif.get(ExifTags.Base.FocalPlaneResolutionUnit, 2))
    if focal is None or pitch is None or unit is None:
        return None
    # The pitch is that of the picture as taken; an edited file may be smaller.
    taken = (
        _positive(exif.get(ExifTags.Base.ExifImageWidth)),
        _positive(exif.get(ExifTags.Base.ExifImageHeight)),
    )
    taken_size = max(taken[0] or 0.0, taken[1] or 0.0) or max(picture.size)
    return focal / unit * pitch * max(picture.size) / taken_size


def upright_size(path: Path) -> tuple[int, int]:
    """(width, height) of the photo at `path` with its EXIF orientation applied; reads the header alone."""
    with _opened(path) as picture:
        return _turned(picture.size, picture.getexif().get(ExifTags.Base.Orientation, 1))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture at `path`, its header read; whatever its bytes do wrong becomes an InputError."""
    with readable(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which no user can act on
        try:
            with path.open("rb") as file:
                yield _header(path, file)
        except UnidentifiedImageError as error:
            raise InputError(
                f"{path} is no photo in a known format (JPEG, PNG, WebP, HEIC, TIFF); convert or remove it."
            ) from error
        except (PermissionError, FileNotFoundError):
            raise  # said by `readable`
        except MemoryError as error:
            raise InputError(
                f"{path} takes more memory to decode than there is; reduce it, or remove it."
            ) from error
        except (OSError, SyntaxError, ValueError, EOFError, RuntimeError) as error:
            # What Pillow, and pillow-heif with its RuntimeError, raise on bad bytes.
            reason = " ".join(str(error).split())
            raise InputError(
                f"{path} is damaged or incomplete ({reason}); copy it again or remove it."
            ) from error


def _header(path: Path, file: BinaryIO) -> Image.Image:
    if file.read(12)[4:8] == b"ftyp":  # the ISO container of HEIC, under whatever file name
        _register_heif()
    file.seek(0)
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # ours, below, replaces Pillow's
    try:
        picture = Image.open(file, formats=[name for name in FORMATS if name != "HEIF" or name in Image.OPEN])
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{path} has {width} x {height} = {width * height / 1e6:.0f} megapixels, more than the "
            f"{MAX_PIXELS / 1e6:.0f} that are read; reduce it first."
        )
    return picture


def _register_heif() -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise MachineError("HEIC photos need pillow-heif; run `pip install pillow-heif`.") from error
    pillow_heif.register_heif_opener()


def _pixels(picture: Image.Image, path: Path) -> np.ndarray:
    """(h, w, 3) or, with alpha, (h, w, 4): sRGB in uint8, or grey in uint16 spread over three channels."""
    if picture.mode.startswith("I;16"):
        return np.repeat(np.asarray(picture, dtype=np.uint16)[..., None], 3, axis=2)
    if picture.mode in ("I", "F"):
        raise InputError(
            f"{path} holds 32-bit numbers, whose white is unknown; save it with 8 or 16 bits a channel."
        )
    if picture.mode in ("1", "P", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    picture = _to_srgb(picture)
    return np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))


def _to_srgb(picture: Image.Image) -> Image.Image:
    """The picture in sRGB by its colour profile; untouched without one, or where the profile is broken."""
    profile = picture.info.get("icc_profile")
    if not profile:
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return picture
        mode = "RGB" if picture.mode == "CMYK" else picture.mode
        converted = ImageCms.profileToProfile(
            picture, source, ImageCms.createProfile("sRGB"), outputMode=mode
        )
    except (ImageCms.PyCMSError, OSError):
        return picture
    return picture if converted is None else converted


def _turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation in _TURNED else size


def _positive(value: Any) -> float | None:
    """An EXIF number as a float; None for the many ways a camera says that it does not know."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
