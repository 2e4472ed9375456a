"""Where the photos were taken: cameras and sparse points from the photos alone, by COLMAP's mappers.

The world of solved cameras: z points up, square to the photos' right directions, for people hold cameras
level; x is the mean of these directions; the origin is the median point; the median distance from a camera to
a point that it sees is 1.
Lenses have little distortion, one radial term, or none where it is not certain, and principal points near the
middle: `poses_bundle.free_lenses` says how.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from recon.errors import InputError
from recon.events import PhotoRow, Progress
from recon.methods.priors.poses_bundle import free_lenses
from recon.methods.priors.poses_consistency import drop_contradicted
from recon.methods.priors.poses_degenerate import Degenerate, diagnose, pair_matches
from recon.methods.priors.poses_features import (
    UPSAMPLED_BELOW,
    Features,
    Lens,
    Picture,
    matched_database,
    pictures_from_files,
    verified_matches,
)
from recon.methods.priors.poses_frame import upright_unit_world
from recon.methods.priors.poses_lightglue import lightglue_is_there
from recon.methods.priors.poses_localise import localise
from recon.methods.priors.poses_mapping import best_model, has_parallax, lens_of, polish, reprojection_error
from recon.methods.priors.poses_matchers import AUTO, make_matcher
from recon.methods.priors.poses_points import SparsePoints, paint, read_observations
from recon.methods.priors.poses_triangulate import triangulate
from recon.methods.priors.poses_types import CPU, LocatedCameras, PosesConfig, SolvedCameras
from recon.retake import anchor
from recon.scene import Photos

__all__ = [
    "LocatedCameras",
    "PosesConfig",
    "SolvedCameras",
    "SparsePoints",
    "localise",
    "solve_cameras",
    "triangulate",
]

if TYPE_CHECKING:
    import pycolmap

DEFAULT_FOCAL = 1.2
"""Focal length in longer sides where EXIF says nothing: 45 degrees across, between a phone's wide lens and a
portrait lens. COLMAP's own guess."""


SOLID = 100
"""Points a photo should see. Three photos of a vase with 80 points in all were 0.8 degrees off; a thorough
search found 536, and left 0.5."""
SHARED = 12
"""Of these, points that two other photos see too: pairs alone leave open how far apart they are. Photos 0, 5
and 10 of fountain-P11 share none by SIFT, and were 10 degrees off; 1, 5 and 9 share 12, and were 0.2."""


@dataclass(frozen=True)
class _Attempt:
    """What one search for features led to."""

    features: list[Features]
    matches: dict[tuple[int, int], np.ndarray]
    """Verified matches between photos, as of `verified_matches`."""
    degenerate: Degenerate | None
    """What the matches have in common, if they say too little of depth."""
    model: "pycolmap.Reconstruction | None"
    matcher: str
    thorough: bool

    @property
    def registered(self) -> tuple[int, ...]:
        """Indices of the photos that were placed."""
        if self.model is None:
            return ()
        return tuple(sorted(image_id - 1 for image_id in self.model.reg_image_ids()))

    def rank(self) -> tuple[int, int]:
        """Photos, then points."""
        return len(self.registered), self.model.num_points3D() if self.model is not None else 0

    @property
    def loose(self) -> tuple[int, ...]:
        """Indices of placed photos that share fewer than `SHARED` points with two others at once."""
        if self.model is None or len(self.registered) < 3:
            return ()
        tracks = (point.track.elements for point in self.model.points3D.values())
        seen = [{element.image_id - 1 for element in track} for track in tracks]
        shared = Counter(photo for photos in seen if len(photos) > 2 for photo in photos)
        return tuple(photo for photo in self.registered if shared[photo] < SHARED)

    def is_doubtful(self, count: int) -> bool:
        """Whether one of the `count` photos is left out or hangs on few points, and better features may
        help."""
        if self.degenerate is Degenerate.TURNED:
            return False
        if self.model is None or len(self.registered) < count or self.loose:
            return True
        return min(self.model.images[index + 1].num_points3D for index in self.registered) < SOLID


def solve_cameras(
    photos: Photos,
    config: PosesConfig,
    watch: Callable[[Progress], None] = lambda event: None,
    device: torch.device = CPU,
) -> SolvedCameras:
    """Cameras and sparse points of `photos`, from their files. Deterministic for a seed. `device` is for a
    matcher that is a network; all else runs on the CPU.

    Where a quick search by SIFT leaves photos out, or hanging on few points, a thorough one follows, several
    times slower; the better one counts. Where that is still so, LightGlue's counts, by `matcher` auto, if it
    places all photos and none on few points: a scene that looks alike from two sides deceives it more than
    SIFT. Photos that contradict their own matches are left out of each.
    Raises InputError if fewer than two photos can be placed: they share nothing, or no camera moved.
    """
    if len(photos) < 2:
        raise InputError(f"{len(photos)} photo is given; cameras need at least two of the same place.")
    pictures = pictures_from_files(photos, config.max_size)
    lenses = guess_lenses(photos, pictures)
    auto = config.matcher == AUTO
    first = replace(config, matcher="sift") if auto else config
    best = _attempt(pictures, lenses, False, first, device, watch)
    if best.is_doubtful(len(photos)) and first.matcher == "sift":
        best = max(best, _attempt(pictures, lenses, True, first, device, watch), key=_Attempt.rank)
    if best.is_doubtful(len(photos)) and auto and lightglue_is_there():
        other = _attempt(pictures, lenses, False, replace(config, matcher="lightglue"), device, watch)
        best = best if other.is_doubtful(len(photos)) else other
    if best.model is None:
        raise InputError(_why_unsolved([_row(name, i, best) for i, name in enumerate(photos.names)], best))
    free_lenses(best.model, pictures, follows_corners(config, pictures))
    return _solved(photos, pictures, best.model, best)


def follows_corners(config: PosesConfig, pictures: Sequence[Picture]) -> bool:
    """Whether corners are followed from photo to photo too."""
    if config.dense_tracks == "auto":
        return max(side for picture in pictures for side in picture.size) < UPSAMPLED_BELOW
    return config.dense_tracks == "always"


def guess_lenses(photos: Photos, pictures: Sequence[Picture]) -> list[Lens]:
    """A pinhole per photo before anything is solved; equal for photos that seem to be of one camera.

    These are photos of one size and one EXIF focal length, or of one size in a set where no photo says its
    focal length. In a mixed set a photo without EXIF stands alone.
    """
    uniform = len(set(photos.sizes)) == 1 and not any(photos.focal_priors)
    lenses = []
    for index, (picture, size, prior) in enumerate(
        zip(pictures, photos.sizes, photos.focal_priors, strict=True)
    ):
        width, height = picture.size
        side = max(picture.size)
        focal = DEFAULT_FOCAL * side if prior is None else round(prior * side / max(size), 1)
        shared = prior is not None or uniform
        lens = Lens(
            "SIMPLE_PINHOLE", (focal, width / 2, height / 2), prior is not None, None if shared else index
        )
        lenses.append(lens)
    return lenses


def _attempt(
    pictures: Sequence[Picture],
    lenses: Sequence[Lens],
    thorough: bool,
    config: PosesConfig,
    device: torch.device,
    watch: Callable[[Progress], None],
) -> _Attempt:
    how = ", thoroughly" if thorough else "" if config.matcher == "sift" else f", by {config.matcher}"

    def tell(done: int, note: str) -> None:
        watch(Progress("cameras", done, 3, note + how))

    tell(0, "finding features")
    features, raw = make_matcher(config, device).find(pictures, thorough=thorough)
    tell(1, "matching photos")
    with matched_database(
        pictures, features, lenses, guided=thorough, seed=config.seed, matches=raw
    ) as database_path:
        matches = verified_matches(database_path, len(pictures))
        degenerate = diagnose(pair_matches(pictures, features, matches))
        tell(2, "placing cameras")
        turned = degenerate is Degenerate.TURNED
        model = None if turned else best_model(database_path, len(pictures), config.seed)
    if model is not None:
        polish(model)
        drop_contradicted(model, features, matches)
        if not has_parallax(model):
            model = None
    tell(3, "cameras placed" if model is not None else "no cameras found")
    return _Attempt(features, matches, degenerate, model, config.matcher, thorough)


def _solved(
    photos: Photos, pictures: Sequence[Picture], model: "pycolmap.Reconstruction", attempt: _Attempt
) -> SolvedCameras:
    registered = attempt.registered
    xyz, observations = read_observations(
        model, registered, [found.descriptors for found in attempt.features]
    )
    images = [model.images[index + 1] for index in registered]
    camera_from_world = np.stack([np.vstack([i.cam_from_world().matrix(), [0, 0, 0, 1]]) for i in images])
    used = photos.select(registered)
    sizes = [pictures[index].size for index in registered]
    lenses = [lens_of(image).resized(size) for image, size in zip(images, used.sizes, strict=True)]
    seen = paint(xyz, observations, used, sizes).seen
    world = upright_unit_world(camera_from_world, xyz, seen.numpy())
    return SolvedCameras(
        camera_from_world=torch.from_numpy(world.cameras(camera_from_world)).float(),
        lenses=tuple(lenses),
        registered=registered,
        points=paint(world.points(xyz), observations, used, sizes),
        observations=observations,
        rows=tuple(_row(photos.names[i], i, attempt) for i in range(len(photos))),
        focal_priors=used.focal_priors,
        pictures=tuple(pictures[index] for index in registered),
        matcher=attempt.matcher,
        thorough=attempt.thorough,
        degenerate=attempt.degenerate,
        loose=tuple(photos.names[index] for index in attempt.loose),
    )


def _row(name: str, index: int, attempt: _Attempt) -> PhotoRow:
    error = None
    if attempt.model is not None and index in attempt.registered:
        error = reprojection_error(attempt.model, index)
    shared = [0] * len(attempt.features)
    for pair, found in attempt.matches.items():
        if index in pair:
            shared[sum(pair) - index] = len(found)
    return PhotoRow(
        name,
        keypoints=len(attempt.features[index].uv),
        matches=sum(shared),
        registered=index in attempt.registered,
        reprojection_error=error,
        shared=tuple(shared),
    )


def _why_unsolved(rows: Sequence[PhotoRow], attempt: _Attempt) -> str:
    if not attempt.matches:
        return (
            f"None of the photos {', '.join(row.name for row in rows)} could be matched with any other; keep "
            f"{anchor(rows)} and take the others again, each a step or two beside the last and with at least "
            "half of what that shows."
        )
    matched = ", ".join(row.name for row in rows if row.matches)
    match attempt.degenerate:
        case Degenerate.TURNED:
            what = "were taken from one standpoint: the camera only turned, or they are copies"
        case Degenerate.FLAT:
            what = "show one flat surface alone"
        case None:
            what = "match, but nothing moves between them"
    return (
        f"The photos {matched} {what}, so that no depth follows; keep {anchor(rows)} and take the others "
        "again, each a step or two to the side of the last, of things near and far."
    )
