"""Held-out photos in a world solved without them: matches to its sparse points, then a pose from these."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from recon.lens import Lens
from recon.methods.priors.poses_features import (
    Features,
    Picture,
    colmap_camera,
    extract,
    known_lens,
    pictures_from_files,
    quiet_colmap,
)
from recon.methods.priors.poses_types import CPU, LocatedCameras, PosesConfig, SolvedCameras
from recon.methods.priors.poses_warps import carry, colours
from recon.methods.priors.roma import RoMa, load_roma
from recon.scene import Photos

MAX_RATIO = 0.8
"""Best over second-best descriptor distance at which a match is kept (Lowe 2004)."""
MAX_ERROR = 4.0
"""Pixels of reprojection error at which a match is an inlier."""
MIN_INLIERS = 12
"""Matches that must agree on a pose; four would always fit some."""
SAME_LENS = 0.02
"""Relative difference of EXIF focal lengths under which a train photo's solved lens is taken over."""


class Links(NamedTuple):
    """What a picture shows of the solved points."""

    uv: Float[np.ndarray, "k 2"]
    """Pixels of the picture."""
    point: Int[Tensor, " k"]
    """Index of the point there."""


def localise(
    photos: Photos, solved: SolvedCameras, config: PosesConfig, device: torch.device = CPU
) -> LocatedCameras:
    """Cameras of `photos` in the world of `solved`, which stays as it is. Each photo is placed by itself, by
    the matcher that solved the others; `device` is for one that is a network."""
    pictures = pictures_from_files(photos, config.max_size)
    poses, lenses, registered = [], [], []
    for index, (picture, links) in enumerate(
        zip(pictures, find_links(pictures, solved, config, device), strict=True)
    ):
        lens = lens_like(photos, index, solved)
        pose = None if lens is None else locate(picture, links, lens, solved, config.seed)
        if lens is not None and pose is not None:
            registered.append(index)
            poses.append(pose)
            lenses.append(lens)
    return LocatedCameras(
        camera_from_world=torch.from_numpy(np.array(poses).reshape(-1, 4, 4)).float(),
        lenses=tuple(lenses),
        registered=tuple(registered),
        unregistered=tuple(name for index, name in enumerate(photos.names) if index not in registered),
    )


def find_links(
    pictures: Sequence[Picture], solved: SolvedCameras, config: PosesConfig, device: torch.device
) -> list[Links]:
    """Solved points that each picture shows."""
    if not pictures:
        return []
    if config.matcher == "roma":
        network = load_roma(config.matcher_weights, device)
        return [warped_points(picture, solved, network) for picture in pictures]
    return [match_points(found, solved) for found in extract(pictures, thorough=solved.thorough)]


def lens_like(photos: Photos, index: int, solved: SolvedCameras) -> Lens | None:
    """Solved lens of a train photo of the same shape and EXIF focal length, at the photo's size."""
    width, height = photos.sizes[index]
    prior = photos.focal_priors[index]
    for lens, other in zip(solved.lenses, solved.focal_priors, strict=True):
        scale = width / lens.size[0]
        same_shape = abs(height - scale * lens.size[1]) <= 1
        same_focal = prior is None or other is None or abs(prior / (scale * other) - 1) < SAME_LENS
        if same_shape and same_focal:
            return lens.resized((width, height))
    return None


def locate(picture: Picture, links: Links, lens: Lens, solved: SolvedCameras, seed: int) -> np.ndarray | None:
    """`camera_from_world` (4, 4) of a picture taken through `lens`; None if it shows too few of the solved
    points."""
    import pycolmap

    lens = lens.resized(picture.size)
    camera = colmap_camera(known_lens(lens.K, lens.distortion), picture.size)
    options = pycolmap.AbsolutePoseEstimationOptions()
    options.ransac.max_error = MAX_ERROR
    options.ransac.random_seed = seed
    with quiet_colmap():
        pose = pycolmap.estimate_and_refine_absolute_pose(
            links.uv.astype(np.float64),
            solved.points.xyz[links.point].double().numpy(),
            camera,
            options,
        )
    if pose is None or pose["num_inliers"] < MIN_INLIERS:
        return None
    return np.vstack([pose["cam_from_world"].matrix(), [0, 0, 0, 1]])


def warped_points(picture: Picture, solved: SolvedCameras, network: RoMa) -> Links:
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
