"""Tracks where features are rare: corners followed from photo to photo, once cameras are known roughly.

Each corner that lies apart from the keypoints takes its depth from the points around it; that says where
other photos show it, and optical flow (Lucas and Kanade; pyramids after Bouguet) finds it there, free to
leave the epipolar line. So the corners measure the cameras anew, where a plane sweep could only confirm them.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

from recon.methods.priors.poses_adjust import Bundle
from recon.methods.priors.poses_features import Picture

PER_PHOTO = 1200
"""Corners looked for in each photo, at most."""
APART, NEAR = 0.015, 0.08
"""Distance of a corner from the nearest keypoint, in longer sides: at least, and at most."""
SPACING = 8
"""Pixels between two corners."""
QUALITY = 0.003
"""Least strength of a corner, as a share of the photo's strongest."""
NEIGHBOURS = 3
"""Points whose median depth a corner takes."""
MAX_JUMP = 0.03
"""Distance, in longer sides, between where a corner is expected and where it is found."""
MAX_RETURN = 0.3
"""Pixels by which a corner that is followed there and back may miss itself."""
MIN_LIKENESS = 0.85
"""Correlation of the surroundings of a corner in two photos."""
RADIUS = 5
"""Of these surroundings, in pixels."""
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


def with_dense_tracks(bundle: Bundle, pictures: Sequence[Picture]) -> Bundle:
    """The bundle with further points; `pictures` are its photos, in their order and in its pixels."""
    tracks = [track for index in range(len(pictures)) for track in _tracks_from(bundle, pictures, index)]
    kept = [(xyz, track) for track in tracks if (xyz := _triangulate(bundle, track)) is not None]
    if not kept:
        return bundle
    view, point, uv = [], [], []
    for number, (_, track) in enumerate(kept):
        view += list(track)
        point += [len(bundle.xyz) + number] * len(track)
        uv += list(track.values())
    return replace(
        bundle,
        xyz=torch.cat([bundle.xyz, torch.from_numpy(np.stack([xyz for xyz, _ in kept]))]),
        view=torch.cat([bundle.view, torch.tensor(view)]),
        point=torch.cat([bundle.point, torch.tensor(point)]),
        uv=torch.cat([bundle.uv, torch.from_numpy(np.stack(uv))]),
    )


def _tracks_from(bundle: Bundle, pictures: Sequence[Picture], index: int) -> list[dict[int, np.ndarray]]:
    """Corners of photo `index`: for each, the pixel (2,) in each photo that shows it, two photos at least."""
    seen = bundle.view == index
    keypoints = bundle.uv[seen].numpy()
    if len(keypoints) < NEIGHBOURS:
        return []
    corners = _corners(pictures[index], keypoints)
    distance = np.linalg.norm(corners[:, None] - keypoints, axis=2)
    near = np.argsort(distance, axis=1)[:, :NEIGHBOURS]
    close = np.take_along_axis(distance, near[:, :1], 1)[:, 0] < NEAR * max(pictures[index].size)
    corners, near = corners[close], near[close]
    depths = np.median(_project(bundle, index, bundle.xyz[bundle.point[seen]].numpy())[1][near], axis=1)
    rays = np.concatenate([_normalised(bundle, index, corners), np.ones((len(corners), 1))], axis=1)
    shift, rotation = bundle.translations[index].numpy(), bundle.rotations[index].numpy()
    xyz = (depths[:, None] * rays - shift) @ rotation
    tracks = [{index: corner} for corner in corners]
    for other in range(len(pictures)):
        if other != index and len(corners):
            expected = _project(bundle, other, xyz)[0]
            found, good = _follow(pictures[index].grey, pictures[other].grey, corners, expected)
            for number in np.flatnonzero(good):
                tracks[number][other] = found[number]
    return [track for track in tracks if len(track) > 1]


def _corners(picture: Picture, keypoints: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "c 2"]:
    """Strong corners inside the mask and apart from the keypoints."""
    free = np.ones(picture.grey.shape, np.uint8) if picture.mask is None else picture.mask.astype(np.uint8)
    for column, row in keypoints.astype(int):
        cv2.circle(free, (int(column), int(row)), round(APART * max(picture.size)), 0, -1)
    found = cv2.goodFeaturesToTrack(picture.grey, PER_PHOTO, QUALITY, SPACING, mask=free)
    # OpenCV's pixels have their centres at 0.
    return np.zeros((0, 2)) if found is None else found[:, 0].astype(np.float64) + 0.5


def _follow(
    source: UInt8[np.ndarray, "h w"],
    target: UInt8[np.ndarray, "h2 w2"],
    corners: Float[np.ndarray, "c 2"],
    expected: Float[np.ndarray, "c 2"],
) -> tuple[Float[np.ndarray, "c 2"], Bool[np.ndarray, " c"]]:
    """Where `target` shows the corners of `source`, and which of these places are to be believed."""
    start = (corners - 0.5).astype(np.float32)[:, None]
    guess = (expected - 0.5).astype(np.float32)[:, None]
    size = np.maximum(source.shape, target.shape)  # the flow wants pictures of one size
    first, second = _extended(source, size), _extended(target, size)
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, start, guess.copy(), **FLOW)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(second, first, there, start.copy(), **FLOW)
    places = there[:, 0].astype(np.float64) + 0.5
    good = (found[:, 0] == 1) & (returned[:, 0] == 1)
    good &= np.linalg.norm((back - start)[:, 0], axis=1) < MAX_RETURN
    good &= np.linalg.norm(places - expected, axis=1) < MAX_JUMP * max(target.shape)
    good &= ((places > RADIUS) & (places < np.array(target.shape[::-1]) - RADIUS)).all(1)
    good[good] = _likeness(source, target, corners[good], places[good]) > MIN_LIKENESS
    return places, good


def _extended(grey: UInt8[np.ndarray, "h w"], size: Int[np.ndarray, "2"]) -> UInt8[np.ndarray, "h2 w2"]:
    """The picture with its last row and column repeated up to `size` (height, width)."""
    below, right = size - grey.shape
    return cv2.copyMakeBorder(grey, 0, int(below), 0, int(right), cv2.BORDER_REPLICATE)


def _likeness(
    source: UInt8[np.ndarray, "h w"],
    target: UInt8[np.ndarray, "h2 w2"],
    first: Float[np.ndarray, "c 2"],
    second: Float[np.ndarray, "c 2"],
) -> Float[np.ndarray, " c"]:
    """Zero-mean normalised cross-correlation of the surroundings of places in two pictures."""
    a, b = _surroundings(source, first), _surroundings(target, second)
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1) + 1e-6)


def _surroundings(grey: UInt8[np.ndarray, "h w"], places: Float[np.ndarray, "c 2"]) -> np.ndarray:
    side = 2 * RADIUS + 1
    patches = [
        cv2.getRectSubPix(grey, (side, side), (float(u) - 0.5, float(v) - 0.5), patchType=cv2.CV_32F).ravel()
        for u, v in places
    ]
    stacked = np.stack(patches) if patches else np.zeros((0, side * side), np.float32)
    return stacked - stacked.mean(axis=1, keepdims=True)


def _triangulate(bundle: Bundle, track: dict[int, np.ndarray]) -> Float[np.ndarray, "3"] | None:
    """The world point of a track by linear least squares; None if any photo contradicts it."""
    rows = []
    for view, pixel in track.items():
        x, y = _normalised(bundle, view, pixel[None])[0]
        pose = np.concatenate([bundle.rotations[view].numpy(), bundle.translations[view].numpy()[:, None]], 1)
        rows += [x * pose[2] - pose[0], y * pose[2] - pose[1]]
    point = np.linalg.svd(np.stack(rows))[2][-1]
    xyz = point[:3] / point[3]
    for view, pixel in track.items():
        uv, depth = _project(bundle, view, xyz[None])
        if depth[0] <= 0 or np.linalg.norm(uv[0] - pixel) > MAX_ERROR:
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
