"""Photos from which no cameras follow, recognised from their matches: turned on the spot, or of one plane.

One standpoint links each two photos by a turn, a plane by a homography; what is seen at several depths from
two places fits neither (Hartley and Zisserman 2004, sections 8.4 and 13.1).
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Integer

from recon.methods.priors.poses_features import Features, Picture

TOLERANCE = 0.002
"""Distance, in longer sides, at which a match fits: 2 pixels of 1000."""
ENOUGH = 0.95
"""Share of matches that must fit; the rest are wrong ones that happen to lie on their epipolar lines."""
FOCALS = np.geomspace(0.4, 4.0, 48)
"""Focal lengths tried, in longer sides, 5 % apart."""


class Degenerate(Enum):
    """Why matches say nothing, or too little, of depth."""

    TURNED = "turned"
    """From one standpoint: the camera only turned, or the photos are copies."""
    FLAT = "flat"
    """Of one flat surface."""


class PairMatches(NamedTuple):
    """Verified matches of two photos, in longer sides from the middle of each picture."""

    first: Float[np.ndarray, "k 2"]
    second: Float[np.ndarray, "k 2"]


def diagnose(pairs: Sequence[PairMatches]) -> Degenerate | None:
    """What all the pairs have in common; None if any shows depth, or if there is no pair."""
    if not pairs:
        return None
    for focal in FOCALS:
        if all(turned_share(pair, focal) >= ENOUGH for pair in pairs):
            return Degenerate.TURNED
    if all(flat_share(pair) >= ENOUGH for pair in pairs):
        return Degenerate.FLAT
    return None


def pair_matches(
    pictures: Sequence[Picture],
    features: Sequence[Features],
    matches: Mapping[tuple[int, int], Integer[np.ndarray, "k 2"]],
) -> list[PairMatches]:
    """The matches of all pairs, from keypoint indices."""

    def centred(photo: int, keypoints: np.ndarray) -> np.ndarray:
        size = np.array(pictures[photo].size)
        return (features[photo].uv[keypoints].astype(np.float64) - size / 2) / size.max()

    return [
        PairMatches(centred(i, found[:, 0]), centred(j, found[:, 1])) for (i, j), found in matches.items()
    ]


def turned_share(pair: PairMatches, focal: float) -> float:
    """Share of the matches that one turn explains, for a focal length in longer sides."""
    a, b = (_rays(side, focal) for side in pair)
    error = np.zeros(len(a))
    for _ in range(3):  # trimmed: the turn that fits most must not be bent by wrong matches
        keep = error <= max(float(np.median(error)), TOLERANCE)
        u, _, vt = np.linalg.svd(b[keep].T @ a[keep])
        moved = a @ (u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt).T
        error = np.linalg.norm(focal * moved[:, :2] / np.maximum(moved[:, 2:], 1e-3) - pair.second, axis=1)
    return float(np.mean(error <= TOLERANCE))


def flat_share(pair: PairMatches) -> float:
    """Share of the matches that one homography explains."""
    cv2.setRNGSeed(0)
    homography, inside = cv2.findHomography(pair.first, pair.second, cv2.RANSAC, TOLERANCE, maxIters=500)
    return 0.0 if homography is None else float(inside.mean())


def _rays(uv: Float[np.ndarray, "k 2"], focal: float) -> Float[np.ndarray, "k 3"]:
    rays = np.concatenate([uv / focal, np.ones((len(uv), 1))], axis=1)
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)
