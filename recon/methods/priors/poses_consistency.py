"""Photos that a model places against their own matches, and the model without them.

A mapper places a photo by the points it knows. Where a scene repeats itself these can be the wrong ones: the
photo then has few outliers in the model, but its matches with most photos contradict where it was put.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Integer

from recon.methods.priors.poses_features import Features
from recon.methods.priors.poses_mapping import camera_of, polish

if TYPE_CHECKING:
    import pycolmap

MAX_ERROR = 4.0
"""Pixels from the epipolar line at which a match agrees: that of its verification."""
MIN_SHARE = 0.5
"""Share of a photo's matches that must agree with its place."""

Matches = Mapping[tuple[int, int], Integer[np.ndarray, "k 2"]]


def drop_contradicted(
    model: "pycolmap.Reconstruction", features: Sequence[Features], matches: Matches
) -> tuple[int, ...]:
    """Takes photos out of `model`, the worst first, until `MIN_SHARE` of the matches of each agree; the rest
    is adjusted anew. Returns their indices. Two photos are left in any case."""
    dropped = []
    while model.num_reg_images() > 2:
        shares = agreeing_shares(model, features, matches)
        worst = min(shares, key=lambda photo: shares[photo])
        if shares[worst] >= MIN_SHARE:
            break
        model.deregister_frame(model.images[worst + 1].frame_id)
        polish(model)
        dropped.append(worst)
    return tuple(dropped)


def agreeing_shares(
    model: "pycolmap.Reconstruction", features: Sequence[Features], matches: Matches
) -> dict[int, float]:
    """For each placed photo, the share of its matches with the others that fit their relative pose; 1 without
    matches."""
    placed = sorted(image_id - 1 for image_id in model.reg_image_ids())
    agreeing, total = dict.fromkeys(placed, 0), dict.fromkeys(placed, 0)
    for (i, j), found in matches.items():
        if i in agreeing and j in agreeing:
            fundamental = fundamental_matrix(model.images[i + 1], model.images[j + 1])
            error = sampson_error(fundamental, features[i].uv[found[:, 0]], features[j].uv[found[:, 1]])
            for photo in (i, j):
                agreeing[photo] += int((error <= MAX_ERROR).sum())
                total[photo] += len(found)
    return {photo: agreeing[photo] / total[photo] if total[photo] else 1.0 for photo in placed}


def fundamental_matrix(first: "pycolmap.Image", second: "pycolmap.Image") -> Float[np.ndarray, "3 3"]:
    """F with x2^T F x1 = 0 for homogeneous pixels of the same point."""
    relative = (second.cam_from_world() * first.cam_from_world().inverse()).matrix()
    return fundamental_of(relative, *(camera_of(image).calibration_matrix() for image in (first, second)))


def fundamental_of(
    second_from_first: Float[np.ndarray, "3 4"], K1: Float[np.ndarray, "3 3"], K2: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "3 3"]:
    """F with x2^T F x1 = 0 for homogeneous pixels of the same point."""
    x, y, z = second_from_first[:, 3]
    essential = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ second_from_first[:, :3]
    return np.linalg.inv(K2).T @ essential @ np.linalg.inv(K1)


def sampson_error(
    fundamental: Float[np.ndarray, "3 3"], first: Float[np.ndarray, "k 2"], second: Float[np.ndarray, "k 2"]
) -> Float[np.ndarray, " k"]:
    """Pixels by which the two keypoints must move, to first order, to fit (Sampson 1982)."""
    ones = np.ones((len(first), 1))
    lines2 = np.hstack([first, ones]) @ fundamental.T
    lines1 = np.hstack([second, ones]) @ fundamental
    distance = (np.hstack([second, ones]) * lines2).sum(1)
    gradient = np.square(lines1[:, :2]).sum(1) + np.square(lines2[:, :2]).sum(1)
    return np.abs(distance) / np.sqrt(np.maximum(gradient, 1e-30))
