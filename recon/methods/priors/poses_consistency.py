"""What a model says against the photos' own matches: photos that it misplaces, and how they are found.

A mapper places a photo by the points it knows. Where a scene repeats itself, as wallpaper does, these can be
the wrong ones: the photo then has few outliers in the model, but its matches with other photos contradict
where it was put.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from recon.methods.priors.poses_features import Features
from recon.methods.priors.poses_mapping import camera_of, polish

if TYPE_CHECKING:
    import pycolmap

MAX_ERROR = 4.0
"""Pixels from the epipolar line at which a match agrees: that of its verification."""
MIN_SHARE = 0.5
"""Share of a photo's matches, or of a pair's, that must agree with its place."""
CONTESTED = 0.5
"""Matches against the place of some photos, as a share of those for it, from which the place is contested.
Right models of fox's wallpaper have up to .7, most under .41; wrong ones .59 and more."""
Pair = tuple[int, int]
"""Indices of two photos, the smaller first."""
Matches = Mapping[Pair, Integer[np.ndarray, "k 2"]]


class Agreement(NamedTuple):
    """Matches of two placed photos."""

    agreeing: int
    """That fit the relative pose."""
    total: int

    @property
    def agrees(self) -> bool:
        """Whether the pair speaks for the model."""
        return self.agreeing >= MIN_SHARE * self.total


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


def contested_photos(
    model: "pycolmap.Reconstruction",
    features: Sequence[Features],
    matches: Matches,
    share: float = CONTESTED,
) -> tuple[int, ...]:
    """Indices of photos that may lie elsewhere, as a group, for all that matches say.

    Where a pair contradicts the model, one of the pairs that it hangs together by between the two photos is
    wrong, or the pair is. These are weighed against each other at the weakest link, a minimum cut: wallpaper
    has photos agree, by its next repeat, with a place that is wrong for a whole group. `share` of the matches
    for it are enough against it."""
    import networkx

    found = agreement(model, features, matches)
    graph = networkx.Graph()
    graph.add_nodes_from(placed_photos(model))
    graph.add_edges_from((*pair, {"capacity": own.agreeing}) for pair, own in found.items())
    contested: set[int] = set()
    for pair in (pair for pair, own in found.items() if not own.agrees):
        supporting, sides = networkx.minimum_cut(graph, *pair)
        across = (own for (i, j), own in found.items() if (i in sides[0]) != (j in sides[0]))
        opposing = sum(own.total - own.agreeing for own in across if not own.agrees)
        if opposing >= share * supporting:
            contested |= min(sides, key=len)
    return tuple(sorted(contested))


def agreeing_shares(
    model: "pycolmap.Reconstruction", features: Sequence[Features], matches: Matches
) -> dict[int, float]:
    """For each placed photo, the share of its matches with the others that fit their relative pose; 1 without
    matches."""
    found = agreement(model, features, matches)
    shares = {}
    for photo in placed_photos(model):
        own = [counts for pair, counts in found.items() if photo in pair]
        total = sum(counts.total for counts in own)
        shares[photo] = sum(counts.agreeing for counts in own) / total if total else 1.0
    return shares


def agreement(
    model: "pycolmap.Reconstruction", features: Sequence[Features], matches: Matches
) -> dict[Pair, Agreement]:
    """For each pair of placed photos with matches, how many of them fit."""
    placed, found = set(placed_photos(model)), {}
    for (i, j), own in matches.items():
        if i in placed and j in placed:
            fundamental = fundamental_matrix(model.images[i + 1], model.images[j + 1])
            error = sampson_error(fundamental, features[i].uv[own[:, 0]], features[j].uv[own[:, 1]])
            found[i, j] = Agreement(int((error <= MAX_ERROR).sum()), len(own))
    return found


def placed_photos(model: "pycolmap.Reconstruction") -> list[int]:
    """Their indices, in order."""
    return sorted(image_id - 1 for image_id in model.reg_image_ids())


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
