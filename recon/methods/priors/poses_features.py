"""SIFT features, and verified matches of a few photos, in a COLMAP database inside a temporary folder.

Image i + 1 of the database is photo i. COLMAP puts pixel centres at +0.5, as we do.
"""

import os
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8

from recon.datasets.photo_file import read_photo
from recon.scene import Photos, Views

if TYPE_CHECKING:
    import pycolmap

UPSAMPLED_BELOW = 1000
"""Longer side, in pixels, under which SIFT starts at twice the resolution. Above, the finest octave costs
four times the time for keypoints that can be spared (fountain-P11 at 1600 px: the same rotations)."""
Matches = Mapping[tuple[int, int], Integer[np.ndarray, "_k 2"]]
"""Keypoint indices of photos (i, j), i < j."""
MIN_MATCHES = 15
"""Verified matches from which two photos count as overlapping; COLMAP's own limit."""


@dataclass(frozen=True)
class Picture:
    """A photo as matchers read it."""

    grey: UInt8[np.ndarray, "h w"]
    mask: Bool[np.ndarray, "h w"] | None
    """True where the photo counts."""
    rgb: UInt8[np.ndarray, "h w 3"] | None = None
    """sRGB; what SIFT can do without."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.grey.shape[1], self.grey.shape[0]


@dataclass(frozen=True)
class Lens:
    """One camera's intrinsics, shared by the photos that it took."""

    model: str
    """COLMAP's name: SIMPLE_PINHOLE (f, cx, cy), PINHOLE (fx, fy, cx, cy) or OPENCV (these, k1 k2 p1 p2)."""
    params: tuple[float, ...]
    """Pixels of the picture."""
    trusted: bool
    """False: the focal length is a guess."""
    owner: int | None = None
    """Tells apart lenses of equal guesses that are not the same."""


def known_lens(K: Float[np.ndarray, "3 3"], distortion: tuple[float, ...] = ()) -> Lens:
    """Given intrinsics as a lens; `distortion`: k1 k2 p1 p2, or none."""
    params = (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    return Lens("OPENCV" if distortion else "PINHOLE", (*params, *distortion), trusted=True)


@dataclass(frozen=True)
class Features:
    """Keypoints of one picture."""

    uv: Float[np.ndarray, "k 2"]
    """Pixels of the picture."""
    shapes: Float[np.ndarray, "k 2"]
    """Scale in pixels, and orientation in radians."""
    descriptors: UInt8[np.ndarray, "k _d"] | Float[np.ndarray, "k _d"]
    """RootSIFT: 128 numbers of length 512; what a network compares, as floats; or none."""


@contextmanager
def quiet_colmap() -> Iterator[None]:
    """No log lines of COLMAP's on stderr: what matters is returned or raised."""
    import pycolmap

    _take_back_termination()
    level = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL.value)
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = level


def _take_back_termination() -> None:
    """COLMAP's logging answers `kill` with a stack trace, as if the program had crashed."""
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL if handler is None else handler)


def pictures_from_files(photos: Photos, max_size: int) -> list[Picture]:
    """The photos read again from their files, upright, up to `max_size` pixels: more than is fitted."""
    return [
        _picture(read_photo(path, max_size).image.numpy(), None if mask is None else mask.cpu().numpy())
        for path, mask in zip(photos.paths, photos.masks, strict=True)
    ]


def pictures_from_images(views: Views) -> list[Picture]:
    """The views' own images: lens distortion undone, of the size for which their K holds."""
    return [
        _picture(image.cpu().numpy(), None if mask is None else mask.cpu().numpy())
        for image, mask in zip(views.images, views.masks, strict=True)
    ]


def _picture(rgb: np.ndarray, mask: np.ndarray | None) -> Picture:
    rgb = (rgb * 255).round().astype(np.uint8)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    if mask is not None and mask.shape != grey.shape:
        mask = cv2.resize(mask.astype(np.uint8), grey.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    return Picture(grey, mask, rgb)


def extract(pictures: Sequence[Picture], *, thorough: bool) -> list[Features]:
    """SIFT features of the pictures, inside their masks. `thorough` starts at twice the resolution: see
    `UPSAMPLED_BELOW`."""
    import pycolmap

    def extract_one(picture: Picture) -> Features:
        options = pycolmap.FeatureExtractionOptions()
        options.sift.first_octave = -1 if thorough or max(picture.size) < UPSAMPLED_BELOW else 0
        extractor = pycolmap.FeatureExtractor.create(options, pycolmap.Device.cpu)
        keypoints, descriptors = extractor.extract_from_uint8_array(picture.grey)
        shapes = pycolmap.keypoints_to_matrix(keypoints)
        return inside_mask(Features(shapes[:, :2], shapes[:, 2:], np.array(descriptors.data)), picture.mask)

    with quiet_colmap(), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(extract_one, pictures))


def inside_mask(features: Features, mask: Bool[np.ndarray, "h w"] | None) -> Features:
    """Those of the keypoints that count."""
    if mask is None:
        return features
    column, row = features.uv.astype(int).T
    keep = mask[row.clip(0, mask.shape[0] - 1), column.clip(0, mask.shape[1] - 1)]
    return Features(features.uv[keep], features.shapes[keep], features.descriptors[keep])


@contextmanager
def matched_database(
    pictures: Sequence[Picture],
    features: Sequence[Features],
    lenses: Sequence[Lens],
    *,
    guided: bool,
    seed: int,
    matches: Matches | None = None,
) -> Iterator[Path]:
    """Path of a COLMAP database with the verified matches of all pairs; gone after the `with` block.

    Pictures of equal lens and size share one camera. Descriptors are compared, and `guided` looks for more
    matches along epipolar lines, unless `matches` are given: then these are verified.
    """
    import pycolmap

    with TemporaryDirectory(prefix="recon-poses-") as folder, quiet_colmap():
        path = Path(folder) / "database.db"
        pycolmap.set_random_seed(seed)
        with pycolmap.Database.open(path) as database:
            _write(database, pictures, features, lenses, described=matches is None)
            for (i, j), found in (matches or {}).items():
                database.write_matches(i + 1, j + 1, found)
        matching, verification = pycolmap.FeatureMatchingOptions(), pycolmap.TwoViewGeometryOptions()
        matching.guided_matching = guided
        verification.ransac.random_seed = seed
        verification.min_num_inliers = MIN_MATCHES
        # A few photos cannot lose a pair to the guess that its common border is a watermark.
        verification.detect_watermark = False
        if matches is None:
            pycolmap.match_exhaustive(
                path, matching, verification_options=verification, device=pycolmap.Device.cpu
            )
        else:
            pycolmap.geometric_verification(path, two_view_geometry_options=verification)
        yield path


@contextmanager
def database_without(database_path: Path, pairs: Iterable[tuple[int, int]]) -> Iterator[Path]:
    """Path of a copy of a database in which pairs of photos have no verified matches; gone after the `with`
    block."""
    import pycolmap

    with TemporaryDirectory(prefix="recon-poses-") as folder, quiet_colmap():
        path = Path(shutil.copy(database_path, folder))
        with pycolmap.Database.open(path) as database:
            for i, j in pairs:
                database.delete_two_view_geometry(i + 1, j + 1)
        yield path


def _write(
    database: "pycolmap.Database",
    pictures: Sequence[Picture],
    features: Sequence[Features],
    lenses: Sequence[Lens],
    *,
    described: bool,
) -> None:
    """One camera, with a rig of its own, per lens and size; one image and frame per picture; descriptors if
    they are to be compared."""
    import pycolmap

    cameras: dict[tuple[Lens, tuple[int, int]], pycolmap.Camera] = {}
    rigs: dict[int, int] = {}
    for index, (picture, found, lens) in enumerate(zip(pictures, features, lenses, strict=True)):
        key = (lens, picture.size)
        if key not in cameras:
            camera = colmap_camera(lens, picture.size)
            camera.camera_id = database.write_camera(camera)
            rig = pycolmap.Rig()
            rig.add_ref_sensor(camera.sensor_id)
            cameras[key], rigs[camera.camera_id] = camera, database.write_rig(rig)
        camera_id = cameras[key].camera_id
        image = pycolmap.Image(name=f"{index:03d}", camera_id=camera_id, image_id=index + 1)
        database.write_image(image, use_image_id=True)
        frame = pycolmap.Frame()
        frame.frame_id, frame.rig_id = index + 1, rigs[camera_id]
        frame.add_data_id(image.data_id)
        database.write_frame(frame, use_frame_id=True)
        database.write_keypoints(index + 1, np.concatenate([found.uv, found.shapes], axis=1))
        if described:
            descriptors = pycolmap.FeatureDescriptors(
                pycolmap.FeatureExtractorType.SIFT, np.ascontiguousarray(found.descriptors)
            )
            database.write_descriptors(index + 1, descriptors)


def colmap_camera(lens: Lens, size: tuple[int, int]) -> "pycolmap.Camera":
    """The lens before a picture of `size` (width, height)."""
    import pycolmap

    return pycolmap.Camera(
        model=lens.model,
        width=size[0],
        height=size[1],
        params=list(lens.params),
        has_prior_focal_length=lens.trusted,
    )


def verified_matches(database_path: Path, count: int) -> dict[tuple[int, int], Integer[np.ndarray, "k 2"]]:
    """Keypoint indices of the verified matches of photos (i, j), i < j, of the first `count`; pairs that
    overlap alone."""
    import pycolmap

    matches = {}
    with quiet_colmap(), pycolmap.Database.open(database_path) as database:
        for i, j in combinations(range(count), 2):
            if database.exists_two_view_geometry(i + 1, j + 1):
                found = database.read_two_view_geometry(i + 1, j + 1).inlier_matches
                if len(found) >= MIN_MATCHES:
                    matches[i, j] = found
    return matches
