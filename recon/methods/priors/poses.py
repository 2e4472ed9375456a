"""Where the photos were taken: cameras and sparse points from the photos alone, by COLMAP's mappers.

The world of solved cameras: z points up, square to the photos' right directions, for people hold cameras
level; x is the mean of these directions; the origin is the median point; the median distance from a camera to
a point that it sees is 1.
Lenses have little distortion, one radial term, or none where it is not certain, and principal points near the
middle: `poses_bundle.free_lenses` says how.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from recon.errors import InputError
from recon.events import PhotoRow, Progress
from recon.methods.priors.poses_attempts import Attempt, attempt
from recon.methods.priors.poses_bundle import free_lenses
from recon.methods.priors.poses_degenerate import Degenerate
from recon.methods.priors.poses_features import UPSAMPLED_BELOW, Picture, pictures_from_files
from recon.methods.priors.poses_frame import upright_unit_world
from recon.methods.priors.poses_lightglue import lightglue_is_there
from recon.methods.priors.poses_localise import localise
from recon.methods.priors.poses_mapping import lens_of, reprojection_error
from recon.methods.priors.poses_matchers import AUTO
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


def solve_cameras(
    photos: Photos,
    config: PosesConfig,
    watch: Callable[[Progress], None] = lambda event: None,
    device: torch.device = CPU,
) -> SolvedCameras:
    """Cameras and sparse points of `photos`, from their files. Deterministic for a seed. `device` is for a
    matcher that is a network; all else runs on the CPU.

    Where a quick search by SIFT leaves photos out, or their places hanging on few points or contested by
    other matches, a thorough one follows, several times slower; the better one counts. Where that is still
    so, by `matcher` auto, LightGlue's counts, if it is sure of all that it places, and these are as many: a
    scene that looks alike from two sides deceives it more than SIFT. It comes first where SIFT is sure of all
    but the photos that it leaves out: if LightGlue links these to nothing, they are of something else. Photos
    that contradict their own matches are left out of each.
    Raises InputError if fewer than two photos can be placed: they share nothing, or no camera moved.
    """
    if len(photos) < 2:
        raise InputError(f"{len(photos)} photo is given; cameras need at least two of the same place.")
    pictures = pictures_from_files(photos, config.max_size)
    best = _best_attempt(photos, pictures, config, device, watch)
    if best.model is None:
        raise InputError(_why_unsolved([_row(name, i, best) for i, name in enumerate(photos.names)], best))
    watch(Progress("cameras", 3, 3, f"cameras placed{best.how}"))
    free_lenses(best.model, pictures, follows_corners(config, pictures))
    return _solved(photos, pictures, best.model, best)


def _best_attempt(
    photos: Photos,
    pictures: Sequence[Picture],
    config: PosesConfig,
    device: torch.device,
    watch: Callable[[Progress], None],
) -> Attempt:
    """The search that counts: see `solve_cameras`."""

    @cache
    def search(matcher: str, *, thorough: bool = False) -> Attempt:
        return attempt(photos, pictures, replace(config, matcher=matcher), device, watch, thorough=thorough)

    auto = config.matcher == AUTO
    matcher = "sift" if auto else config.matcher
    best = search(matcher)
    if not best.is_doubtful(len(photos)):
        return best
    asks_lightglue = auto and lightglue_is_there()
    if asks_lightglue and best.is_sure:
        other = search("lightglue")
        if other.is_better_than(best):
            return other
        if not other.links(set(range(len(photos))) - set(best.registered)):
            return best
    if matcher == "sift":
        best = max(best, search(matcher, thorough=True), key=lambda found: found.rank)
    if asks_lightglue and best.is_doubtful(len(photos)) and search("lightglue").is_better_than(best):
        return search("lightglue")
    return best


def follows_corners(config: PosesConfig, pictures: Sequence[Picture]) -> bool:
    """Whether corners are followed from photo to photo too."""
    if config.dense_tracks == "auto":
        return max(side for picture in pictures for side in picture.size) < UPSAMPLED_BELOW
    return config.dense_tracks == "always"


def _solved(
    photos: Photos, pictures: Sequence[Picture], model: "pycolmap.Reconstruction", search: Attempt
) -> SolvedCameras:
    registered = search.registered
    xyz, observations = read_observations(model, registered, [found.descriptors for found in search.features])
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
        rows=tuple(_row(photos.names[i], i, search) for i in range(len(photos))),
        focal_priors=used.focal_priors,
        pictures=tuple(pictures[index] for index in registered),
        matcher=search.matcher,
        thorough=search.thorough,
        degenerate=search.degenerate,
        loose=tuple(photos.names[index] for index in search.loose),
        contested=tuple(photos.names[index] for index in search.contested),
    )


def _row(name: str, index: int, search: Attempt) -> PhotoRow:
    error = None
    if search.model is not None and index in search.registered:
        error = reprojection_error(search.model, index)
    shared = [0] * len(search.features)
    for pair, found in search.matches.items():
        if index in pair:
            shared[sum(pair) - index] = len(found)
    return PhotoRow(
        name,
        keypoints=len(search.features[index].uv),
        matches=sum(shared),
        registered=index in search.registered,
        reprojection_error=error,
        shared=tuple(shared),
    )


def _why_unsolved(rows: Sequence[PhotoRow], search: Attempt) -> str:
    if not search.matches:
        return (
            f"None of the photos {', '.join(row.name for row in rows)} could be matched with any other; keep "
            f"{anchor(rows)} and take the others again, each a step or two beside the last and with at least "
            "half of what that shows."
        )
    matched = ", ".join(row.name for row in rows if row.matches)
    match search.degenerate:
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
