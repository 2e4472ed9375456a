"""Pinhole pictures from what lenses saw."""

import cv2
import numpy as np

from recon.lens import Lens


def undistort(
    image: np.ndarray, mask: np.ndarray | None, lens: Lens
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """The picture that a pinhole camera at the same place would have taken, its mask, and that camera's K.

    `image` (h, w, 3) and `mask` (h, w), at `lens.size`, keep their size; the focal length is the shortest
    that leaves no empty border. Where no choice does, the border repeats the edge and the mask leaves it out.
    """
    K = lens.K.copy()
    zoom = _clear_zoom(lens)
    K[:2, :2] *= zoom or 1.0
    fisheye = lens.kind == "fisheye"
    initialise = cv2.fisheye.initUndistortRectifyMap if fisheye else cv2.initUndistortRectifyMap
    at_x, at_y = initialise(
        _opencv(lens.K), np.array(lens.distortion), np.eye(3), _opencv(K), lens.size, cv2.CV_32FC1
    )
    width, height = lens.size
    valid = (at_x > -0.5) & (at_x < width - 0.5) & (at_y > -0.5) & (at_y < height - 0.5)
    if mask is not None:  # a pixel counts where all that it mixes counts
        sources = cv2.remap(
            mask.astype(np.float32), at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        valid &= sources > 0.999
    undone = cv2.remap(image, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return undone, None if valid.all() else valid, K


def distort(rays: np.ndarray, lens: Lens) -> np.ndarray:
    """Pixels (m, 2), centres at +0.5, where `lens` sees the directions `rays` (m, 3) of its own frame."""
    still, coefficients = np.zeros(3), np.array(lens.distortion)
    if lens.kind == "fisheye":
        pixels, _ = cv2.fisheye.projectPoints(rays[None], still, still, lens.K, coefficients)
    else:
        pixels, _ = cv2.projectPoints(rays[None], still, still, lens.K, coefficients)
    return pixels.reshape(-1, 2)


def _clear_zoom(lens: Lens) -> float | None:
    """The smallest factor on the focal length, from 2 down to 1/2, that keeps the pinhole picture inside the
    photo; None if 2 does not. Going down and stopping at the first failure never reaches the radii where
    a polynomial folds back."""
    width, height = np.array(lens.size, dtype=np.float64)
    along = np.linspace(0.0, 1.0, 101)
    x, y = 0.5 + along * (width - 1), 0.5 + along * (height - 1)
    border = np.concatenate(
        [
            np.stack(np.broadcast_arrays(*side), axis=1)
            for side in ((x, 0.5), (x, height - 0.5), (0.5, y), (width - 0.5, y))
        ]
    )
    focal, centre = lens.K[[0, 1], [0, 1]], lens.K[:2, 2]
    clear = None
    for zoom in np.geomspace(2.0, 0.5, 279):  # half a per cent a step
        rays = np.concatenate([(border - centre) / (focal * zoom), np.ones((len(border), 1))], axis=1)
        pixels = distort(rays, lens)
        if pixels.min() < 0 or (pixels > (width, height)).any():
            break
        clear = float(zoom)
    return clear


def _opencv(K: np.ndarray) -> np.ndarray:
    """`K` for pixel centres at 0."""
    return K - np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
