"""Tracks from a network that says where each place of one photo is in another (roma.py).

Each photo is covered by a grid of cells. The surest place of each is carried to all other photos, and the
places where it arrives are keypoints there: a track of all photos that show it, free of any detector. Only
what comes back to where it started is kept; the geometry of two photos is verified as for other matches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Integer, UInt8
from torch import Tensor

from recon.methods.priors.poses_features import Features, Picture
from recon.methods.priors.poses_types import Found, Links, SolvedCameras
from recon.methods.priors.roma import Warp

CELLS = 40
"""Cells along each side of a photo, and so up to 1600 places that start from it."""
MIN_CERTAINTY = 0.05
"""Above which RoMa's own sampling takes all places as equally good."""
MAX_RETURN = 0.003
"""Distance, in longer sides, by which a place that is carried there and back may miss itself."""

Network = Callable[[UInt8[Tensor, "h w 3"], UInt8[Tensor, "h2 w2 3"]], tuple[Warp, Warp]]


class Tracks(NamedTuple):
    """Places that photos have in common."""

    uv: Float[np.ndarray, "t n 2"]
    """Pixels of each photo."""
    seen: Bool[np.ndarray, "t n"]
    """Which photo shows which."""


def warped_features(
    pictures: Sequence[Picture], network: Network
) -> tuple[list[Features], dict[tuple[int, int], Integer[np.ndarray, "k 2"]]]:
    """Keypoints of the pictures, without descriptors, and the pairs of them that belong together: indices for
    pictures (i, j), i < j."""
    warps = {}
    for i, j in combinations(range(len(pictures)), 2):
        warps[i, j], warps[j, i] = network(colours(pictures[i]), colours(pictures[j]))
    stars = [_tracks_from(pictures, warps, index) for index in range(len(pictures))]
    uv, seen = (np.concatenate([star[part] for star in stars]) for part in range(2))
    number = np.cumsum(seen, axis=0) - 1  # of the keypoint, in its photo
    features, matches = [], {}
    for index in range(len(pictures)):
        places = uv[seen[:, index], index].astype(np.float32)
        shapes = np.tile(np.array([1, 0], np.float32), (len(places), 1))
        features.append(Features(places, shapes, np.zeros((len(places), 0), np.uint8)))
    for i, j in combinations(range(len(pictures)), 2):
        both = seen[:, i] & seen[:, j]
        matches[i, j] = np.stack([number[both, i], number[both, j]], axis=1)
    return features, matches


@dataclass(frozen=True)
class Warping:
    """A network of that kind as a matcher; it knows no `thorough`."""

    network: Network

    def find(self, pictures: Sequence[Picture], *, thorough: bool = False) -> Found:
        """As `warped_features`."""
        return Found(*warped_features(pictures, self.network))

    def link(self, pictures: Sequence[Picture], solved: SolvedCameras) -> list[Links]:
        """Solved points that each picture shows."""
        return [warped_points(picture, solved, self.network) for picture in pictures]


def warped_points(picture: Picture, solved: SolvedCameras, network: Network) -> Links:
    """What a picture shows of the points, by a network that carries them there from the photos that do."""
    observations = solved.observations
    uv, points = [], []
    for view, other in enumerate(solved.pictures):
        mine = (observations.view == view).nonzero().squeeze(1)
        there, back = network(colours(other), colours(picture))
        places, good = carry(other, picture, there, back, observations.uv[mine].numpy())
        uv.append(places[good])
        points.append(observations.point[mine][good])
    # A point that comes from several photos counts once.
    point, first = np.unique(torch.cat(points).numpy(), return_index=True)
    return Links(np.concatenate(uv)[first], torch.from_numpy(point))


def carry(
    picture: Picture, other: Picture, there: Warp, back: Warp, uv: Float[np.ndarray, "k 2"]
) -> tuple[Float[np.ndarray, "k 2"], Bool[np.ndarray, " k"]]:
    """Pixels of `other` that show what `picture` shows at the pixels `uv`, and which of these to believe."""
    size, other_size = torch.tensor(picture.size), torch.tensor(other.size)
    start = 2 * torch.from_numpy(uv).float() / size - 1
    arrived = _read(there.to, start)
    returned = _read(back.to, arrived)
    sure = torch.minimum(_read(there.certainty[..., None], start), _read(back.certainty[..., None], arrived))
    missed = ((returned - start) * size / 2).norm(dim=1)
    good = (sure[:, 0] > MIN_CERTAINTY) & (missed < MAX_RETURN * max(picture.size))
    good &= (arrived.abs() < 1).all(dim=1)
    places = ((arrived + 1) * other_size / 2).double().numpy()
    return places, good.numpy() & inside(other, places)


def inside(picture: Picture, uv: Float[np.ndarray, "k 2"]) -> Bool[np.ndarray, " k"]:
    """Whether pixels count, by the picture's mask."""
    if picture.mask is None:
        return np.ones(len(uv), bool)
    (column, row), (width, height) = uv.astype(int).T, picture.size
    return picture.mask[row.clip(0, height - 1), column.clip(0, width - 1)]


def _tracks_from(pictures: Sequence[Picture], warps: dict[tuple[int, int], Warp], index: int) -> Tracks:
    """The tracks that start from photo `index`; two photos at least."""
    picture = pictures[index]
    others = [other for other in range(len(pictures)) if other != index]
    best = torch.stack([warps[index, other].certainty for other in others]).sum(dim=0)
    start = surest_places(best) * np.array(picture.size)
    start = start[inside(picture, start)]
    uv = np.repeat(start[:, None], len(pictures), axis=1)
    seen = np.ones(uv.shape[:2], bool)
    for other in others:
        uv[:, other], seen[:, other] = carry(
            picture, pictures[other], warps[index, other], warps[other, index], start
        )
    kept = seen.sum(axis=1) > 1
    return Tracks(uv[kept], seen[kept])


def surest_places(certainty: Float[Tensor, "h w"]) -> Float[np.ndarray, "k 2"]:
    """The middle (x, y) of the surest pixel of each cell, as a share of the photo's width and height."""
    height, width = certainty.shape
    stride = max(1, height // CELLS), max(1, width // CELLS)
    _, flat = F.max_pool2d(certainty[None], stride, return_indices=True)
    row, column = flat.flatten() // width, flat.flatten() % width
    return torch.stack([(column + 0.5) / width, (row + 0.5) / height], dim=1).double().numpy()


def _read(values: Float[Tensor, "h w c"], places: Float[Tensor, "k 2"]) -> Float[Tensor, "k c"]:
    """Bilinear values at places in [-1, 1]."""
    grid = places[None, :, None]
    read = F.grid_sample(values.permute(2, 0, 1)[None], grid, align_corners=False, padding_mode="border")
    return read[0, :, :, 0].T


def colours(picture: Picture) -> UInt8[Tensor, "h w 3"]:
    """What a network takes."""
    assert picture.rgb is not None, "pictures of photos have colours"
    return torch.from_numpy(picture.rgb)
