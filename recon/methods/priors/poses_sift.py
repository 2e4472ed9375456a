"""SIFT as a matcher: COLMAP compares the descriptors of photos that are solved; those of held-out photos are
compared here, with the keypoints that became points."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Int, UInt8
from torch import Tensor

from recon.methods.priors.poses_features import Features, Picture, extract
from recon.methods.priors.poses_types import Found, Links, SolvedCameras

MAX_RATIO = 0.8
"""Best over second-best descriptor distance at which a match is kept (Lowe 2004)."""


class Sift:
    """Needs neither weights nor a GPU."""

    def find(self, pictures: Sequence[Picture], *, thorough: bool = False) -> Found:
        """Features of the pictures, `thorough` as `extract` says it."""
        return Found(extract(pictures, thorough=thorough), None)

    def link(self, pictures: Sequence[Picture], solved: SolvedCameras) -> list[Links]:
        """Solved points that each picture shows."""
        return [match_points(found, solved) for found in extract(pictures, thorough=solved.thorough)]


def match_points(found: Features, solved: SolvedCameras) -> Links:
    """Keypoints of a picture and the points they show: matched with each view by itself, where the
    second-best keypoint is of another point, as the ratio test wants it."""
    observations = solved.observations
    keypoints, points = [], []
    for view in range(len(solved.cameras)):
        mine = (observations.view == view).nonzero().squeeze(1)
        pairs = mutual_matches(torch.from_numpy(found.descriptors), observations.descriptors[mine])
        keypoints.append(pairs[:, 0])
        points.append(observations.point[mine[pairs[:, 1]]])
    # The same pair comes from every view that sees the point: count it once.
    unique = torch.unique(torch.stack([torch.cat(keypoints), torch.cat(points)], dim=1), dim=0)
    return Links(found.uv[unique[:, 0].numpy()], unique[:, 1])


def mutual_matches(first: UInt8[Tensor, "a 128"], second: UInt8[Tensor, "b 128"]) -> Int[Tensor, "k 2"]:
    """Pairs of descriptors that are each other's nearest, and clearly nearer than the second nearest."""
    if len(first) < 1 or len(second) < 2:
        return torch.zeros(0, 2, dtype=torch.long)
    first_unit = F.normalize(first.float(), dim=1)
    second_unit = F.normalize(second.float(), dim=1)
    best, index = (first_unit @ second_unit.T).topk(2, dim=1)
    # A second product costs less than a search down the columns of the first.
    back = (second_unit @ first_unit.T).argmax(dim=1)
    distance = (2 - 2 * best).clamp_min(0).sqrt()
    rows = torch.arange(len(first))
    good = (back[index[:, 0]] == rows) & (distance[:, 0] < MAX_RATIO * distance[:, 1])
    return torch.stack([rows[good], index[good, 0]], dim=1)
