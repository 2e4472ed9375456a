"""Cameras that came with the photos but are not exact, such as a phone's or a network's: adjusted to the
photos' own matches.

The photos are solved anew with the given intrinsics and put back into the given world by a similarity.
What cannot be placed, or does not fit its matches better than before, keeps the given camera.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Integer

from recon.methods.priors.poses_consistency import fundamental_of, sampson_error
from recon.methods.priors.poses_features import (
    Features,
    Lens,
    Picture,
    known_lens,
    matched_database,
    pictures_from_images,
    verified_matches,
)
from recon.methods.priors.poses_frame import similarity_of_cameras
from recon.methods.priors.poses_mapping import best_model, has_parallax, polish
from recon.methods.priors.poses_matchers import make_matcher
from recon.methods.priors.poses_types import CPU, Found, PosesConfig
from recon.scene import Cameras, Views

if TYPE_CHECKING:
    import pycolmap


DEFAULTS = PosesConfig()


@dataclass(frozen=True)
class RefinedCameras:
    """What became of given cameras."""

    cameras: Cameras
    adjusted: tuple[int, ...]
    """Indices of the views whose cameras changed; none where the given ones fit as well."""
    error_before: float | None
    """Median distance of a match from its epipolar line under the given cameras, in pixels of the photos;
    None where no photos match."""
    error_after: float | None


def refine_given(views: Views, config: PosesConfig = DEFAULTS, device: torch.device = CPU) -> RefinedCameras:
    """Poses of `views` that fit the photos' matches, near the given ones; intrinsics stay as they are.

    The world's position, direction and scale are those of the given cameras taken together. `device` is for a
    matcher that is a network."""
    pictures = pictures_from_images(views)
    found = make_matcher(config, device).find(pictures)
    features = found.features
    Ks = views.cameras.Ks.double().cpu().numpy()
    given = views.cameras.camera_from_world.double().cpu().numpy()
    model, matches = _solve(pictures, found, [known_lens(K) for K in Ks], config.seed)
    before = epipolar_error(given, Ks, features, matches)
    if model is None:
        return RefinedCameras(views.cameras, (), before, before)
    placed = sorted(image_id - 1 for image_id in model.reg_image_ids())
    rows = np.stack([model.images[index + 1].cam_from_world().matrix() for index in placed])
    solved = np.concatenate([rows, given[placed][:, 3:]], axis=1)
    adjusted = given.copy()
    adjusted[placed] = similarity_of_cameras(solved, given[placed]).cameras(solved)
    after = epipolar_error(adjusted, Ks, features, matches)
    if before is None or after is None or after >= before:
        return RefinedCameras(views.cameras, (), before, before)
    old = views.cameras
    cameras = Cameras(torch.from_numpy(adjusted).to(old.camera_from_world), old.Ks, old.sizes)
    return RefinedCameras(cameras, tuple(placed), before, after)


def epipolar_error(
    camera_from_world: Float[np.ndarray, "n 4 4"],
    Ks: Float[np.ndarray, "n 3 3"],
    features: Sequence[Features],
    matches: Mapping[tuple[int, int], Integer[np.ndarray, "k 2"]],
) -> float | None:
    """Median over all matches of their distance from the epipolar line, in pixels; None without matches."""
    errors = []
    for (i, j), found in matches.items():
        relative = camera_from_world[j] @ np.linalg.inv(camera_from_world[i])
        fundamental = fundamental_of(relative[:3], Ks[i], Ks[j])
        first, second = features[i].uv[found[:, 0]], features[j].uv[found[:, 1]]
        errors.append(sampson_error(fundamental, first, second))
    return float(np.median(np.concatenate(errors))) if errors else None


def _solve(
    pictures: Sequence[Picture], found: Found, lenses: Sequence[Lens], seed: int
) -> tuple["pycolmap.Reconstruction | None", dict[tuple[int, int], np.ndarray]]:
    """A model with exactly these lenses, or None; and the verified matches."""
    features, raw = found
    with matched_database(pictures, features, lenses, guided=False, seed=seed, matches=raw) as database_path:
        matches = verified_matches(database_path, len(pictures))
        model = best_model(database_path, len(pictures), seed)
    if model is None:
        return None, matches
    for image_id in model.reg_image_ids():  # the mappers let focal lengths drift
        model.cameras[model.images[image_id].camera_id].params = list(lenses[image_id - 1].params)
    polish(model, refine_focal=False)
    return (model if has_parallax(model) else None), matches
