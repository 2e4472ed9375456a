"""Held-out photos in a world solved without them: matches to its sparse points, then a pose from these."""

from dataclasses import replace

import numpy as np
import torch

from recon.lens import Lens
from recon.methods.priors.poses_features import (
    Picture,
    colmap_camera,
    known_lens,
    pictures_from_files,
    quiet_colmap,
)
from recon.methods.priors.poses_matchers import make_matcher
from recon.methods.priors.poses_types import CPU, Links, LocatedCameras, PosesConfig, SolvedCameras
from recon.scene import Photos

MAX_ERROR = 4.0
"""Pixels of reprojection error at which a match is an inlier."""
MIN_INLIERS = 12
"""Matches that must agree on a pose; four would always fit some."""
SAME_LENS = 0.02
"""Relative difference of EXIF focal lengths under which a train photo's solved lens is taken over."""


def localise(
    photos: Photos, solved: SolvedCameras, config: PosesConfig, device: torch.device = CPU
) -> LocatedCameras:
    """Cameras of `photos` in the world of `solved`, which stays as it is. Each photo is placed by itself, by
    the matcher that solved the others; `device` is for one that is a network."""
    pictures = pictures_from_files(photos, config.max_size)
    matcher = make_matcher(replace(config, matcher=solved.matcher), device) if pictures else None
    links = matcher.link(pictures, solved) if matcher else []
    poses, lenses, registered = [], [], []
    for index, (picture, shown) in enumerate(zip(pictures, links, strict=True)):
        lens = lens_like(photos, index, solved)
        pose = None if lens is None else locate(picture, shown, lens, solved, config.seed)
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
