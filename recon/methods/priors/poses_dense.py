"""Tracks all over the photos: corners followed from photo to photo, once cameras are known roughly.

The strongest corner of each cell takes its depth from the points around it; that says where other photos
show it. Optical flow (Lucas and Kanade; pyramids after Bouguet) finds it there, free to leave the epipolar
line, and its patch is laid over the one that was found. So the corners measure the cameras anew, where a
plane sweep could only confirm them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from recon.methods.priors.poses_adjust import Bundle
from recon.methods.priors.poses_features import Picture
from recon.methods.priors.poses_patches import (
    KEYPOINT_SIGMA,
    LEFT_SIGMA,
    Aligned,
    Blurred,
    align,
    alike,
    blurred,
)

CELLS = 42
"""Along the longer side of a photo: the strongest corner of each is followed."""
QUALITY = 0.001
"""Least strength of a corner, as a share of the photo's strongest."""
BLOCK = 7
"""Pixels of the window that a corner's strength is measured in."""
NEAR = 0.08
"""Largest distance of a corner from the nearest keypoint, in longer sides."""
NEIGHBOURS = 3
"""Points whose median depth a corner takes."""
MAX_JUMP = 0.03
"""Distance, in longer sides, between where a corner is expected and where it is found."""
MAX_RETURN = 0.3
"""Pixels by which a corner that flow follows there and back may miss itself."""
MAX_OFF = 0.15
"""The same of a patch that is laid there and back."""
MAX_ERROR = 2.0
"""Pixels of reprojection error of a new point in any photo."""
UNDISTORTIONS = 8
"""Steps of the fixed point that undoes a distortion; at .05 and a photo's corner each brings a digit."""

FLOW = {
    "winSize": (17, 17),
    "maxLevel": 2,
    "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 0.005),
    "flags": cv2.OPTFLOW_USE_INITIAL_FLOW,
}


class Place(NamedTuple):
    """Where a photo shows a corner."""

    uv: Float[np.ndarray, "2"]
    covariance: Float[Tensor, "2 2"]
    """How far off it is to be expected, in squared pixels."""


def with_dense_tracks(bundle: Bundle, pictures: Sequence[Picture]) -> Bundle:
    """The bundle with further points; `pictures` are its photos, in their order and in its pixels."""
    photos = [blurred(picture.grey) for picture in pictures]
    tracks = [
        track for index in range(len(pictures)) for track in _tracks_from(bundle, pictures, photos, index)
    ]
    kept = [(xyz, track) for track in tracks if (xyz := _triangulate(bundle, track)) is not None]
    if not kept:
        return bundle
    view, point, places = [], [], []
    for number, (_, track) in enumerate(kept):
        view += list(track)
        point += [len(bundle.xyz) + number] * len(track)
        places += list(track.values())
    old = alike(len(bundle.uv), KEYPOINT_SIGMA) if bundle.covariances is None else bundle.covariances
    return replace(
        bundle,
        xyz=torch.cat([bundle.xyz, torch.from_numpy(np.stack([xyz for xyz, _ in kept]))]),
        view=torch.cat([bundle.view, torch.tensor(view)]),
        point=torch.cat([bundle.point, torch.tensor(point)]),
        uv=torch.cat([bundle.uv, torch.from_numpy(np.stack([place.uv for place in places]))]),
        covariances=torch.cat([old, torch.stack([place.covariance for place in places])]),
    )


def _tracks_from(
    bundle: Bundle, pictures: Sequence[Picture], photos: Sequence[Blurred], index: int
) -> list[dict[int, Place]]:
    """Corners of photo `index`: for each, its place in each photo that shows it, two photos at least."""
    seen = bundle.view == index
    keypoints = bundle.uv[seen].numpy()
    if len(keypoints) < NEIGHBOURS:
        return []
    corners = _corners(pictures[index])
    distance = np.linalg.norm(corners[:, None] - keypoints, axis=2)
    near = np.argsort(distance, axis=1)[:, :NEIGHBOURS]
    close = np.take_along_axis(distance, near[:, :1], 1)[:, 0] < NEAR * max(pictures[index].size)
    corners, near = corners[close], near[close]
    depths = np.median(_project(bundle, index, bundle.xyz[bundle.point[seen]].numpy())[1][near], axis=1)
    rays = np.concatenate([_normalised(bundle, index, corners), np.ones((len(corners), 1))], axis=1)
    shift, rotation = bundle.translations[index].numpy(), bundle.rotations[index].numpy()
    xyz = (depths[:, None] * rays - shift) @ rotation
    tracks = [{index: Place(corner, alike(1, LEFT_SIGMA)[0])} for corner in corners]
    for other in range(len(pictures)):
        if other != index and len(corners):
            expected = _project(bundle, other, xyz)[0]
            found, good = _follow(pictures[index].grey, pictures[other].grey, corners, expected)
            rows = np.flatnonzero(good)
            laid = _lay(photos[index], photos[other], corners[rows], found[rows])
            for at in laid.good.nonzero().squeeze(1):
                tracks[rows[at]][other] = Place(laid.uv[at].numpy(), laid.covariances[at])
    return [track for track in tracks if len(track) > 1]


def _corners(picture: Picture) -> Float[np.ndarray, "c 2"]:
    """The strongest corner of each cell, inside the mask."""
    strength = cv2.cornerMinEigenVal(picture.grey, BLOCK, ksize=3)
    if picture.mask is not None:
        strength = strength * picture.mask
    side = max(4, round(max(picture.size) / CELLS))
    height, width = (length // side for length in strength.shape)
    cells = strength[: height * side, : width * side].reshape(height, side, width, side)
    cells = cells.transpose(0, 2, 1, 3).reshape(height, width, -1)
    row, column = np.divmod(cells.argmax(axis=2), side)
    row, column = row + side * np.arange(height)[:, None], column + side * np.arange(width)
    strong = cells.max(axis=2) > QUALITY * strength.max()
    return np.stack([column[strong], row[strong]], axis=1) + 0.5


def _follow(
    source: UInt8[np.ndarray, "h w"],
    target: UInt8[np.ndarray, "h2 w2"],
    corners: Float[np.ndarray, "c 2"],
    expected: Float[np.ndarray, "c 2"],
) -> tuple[Float[np.ndarray, "c 2"], Bool[np.ndarray, " c"]]:
    """Roughly where `target` shows the corners of `source`, and which of these places are to be believed."""
    start = (corners - 0.5).astype(np.float32)[:, None]  # OpenCV's pixels have their centres at 0
    guess = (expected - 0.5).astype(np.float32)[:, None]
    size = np.maximum(source.shape, target.shape)  # the flow wants pictures of one size
    first, second = _extended(source, size), _extended(target, size)
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, start, guess.copy(), **FLOW)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(second, first, there, start.copy(), **FLOW)
    places = there[:, 0].astype(np.float64) + 0.5
    good = (found[:, 0] == 1) & (returned[:, 0] == 1)
    good &= np.linalg.norm((back - start)[:, 0], axis=1) < MAX_RETURN
    good &= np.linalg.norm(places - expected, axis=1) < MAX_JUMP * max(target.shape)
    return places, good


def _lay(
    source: Blurred,
    target: Blurred,
    corners: Float[np.ndarray, "c 2"],
    places: Float[np.ndarray, "c 2"],
) -> Aligned:
    """Exactly where `target` shows the corners, near `places`; good are those that lie the same both ways."""
    start = torch.from_numpy(corners)
    there = align(source, target, start, torch.from_numpy(places))
    back = align(target, source, there.uv, start, torch.linalg.inv(there.shapes))
    sure = there.good & back.good & ((back.uv - start).norm(dim=1) < MAX_OFF)
    return there._replace(good=sure)


def _extended(grey: UInt8[np.ndarray, "h w"], size: Int[np.ndarray, "2"]) -> UInt8[np.ndarray, "h2 w2"]:
    """The picture with its last row and column repeated up to `size` (height, width)."""
    below, right = size - grey.shape
    return cv2.copyMakeBorder(grey, 0, int(below), 0, int(right), cv2.BORDER_REPLICATE)


def _triangulate(bundle: Bundle, track: dict[int, Place]) -> Float[np.ndarray, "3"] | None:
    """The world point of a track by linear least squares; None if any photo contradicts it."""
    rows = []
    for view, place in track.items():
        x, y = _normalised(bundle, view, place.uv[None])[0]
        pose = np.concatenate([bundle.rotations[view].numpy(), bundle.translations[view].numpy()[:, None]], 1)
        rows += [x * pose[2] - pose[0], y * pose[2] - pose[1]]
    point = np.linalg.svd(np.stack(rows))[2][-1]
    xyz = point[:3] / point[3]
    for view, place in track.items():
        uv, depth = _project(bundle, view, xyz[None])
        if depth[0] <= 0 or np.linalg.norm(uv[0] - place.uv) > MAX_ERROR:
            return None
    return xyz


def _project(
    bundle: Bundle, view: int, xyz: Float[np.ndarray, "m 3"]
) -> tuple[Float[np.ndarray, "m 2"], Float[np.ndarray, " m"]]:
    """Pixels and depths of world points."""
    in_camera = xyz @ bundle.rotations[view].numpy().T + bundle.translations[view].numpy()
    lens = bundle.lens[view]
    flat = in_camera[:, :2] / in_camera[:, 2:]
    stretch = 1 + float(bundle.radial[lens]) * np.square(flat).sum(1, keepdims=True)
    return float(bundle.focals[lens]) * stretch * flat + bundle.centres[lens].numpy(), in_camera[:, 2]


def _normalised(bundle: Bundle, view: int, uv: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "m 2"]:
    """x / z and y / z of pixels."""
    lens = bundle.lens[view]
    seen = flat = (uv - bundle.centres[lens].numpy()) / float(bundle.focals[lens])
    for _ in range(UNDISTORTIONS):
        flat = seen / (1 + float(bundle.radial[lens]) * np.square(flat).sum(1, keepdims=True))
    return flat
