"""What priors say of a scene's middle view, beside the truth, as one picture."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from room_priors import Estimate
from true_depth import TrueDepth

from recon.files import atomic_file
from recon.scene import Views

Array = np.ndarray

WORST = 0.1
"""Relative error that is drawn brightest."""


def write_pictures(
    path: Path, train: Views, estimates: dict[str, list[Estimate]], truth: list[TrueDepth]
) -> None:
    """The photo above its true disparity; then, for each prior, disparity above relative error. The sky is
    black."""
    view = len(train) // 2
    photo = (train.images[view].cpu().numpy() * 255).round().astype(np.uint8)
    known = np.zeros(photo.shape[:2], np.float32)
    column, row = truth[view].uv.floor().long().unbind(1)
    known[row, column] = truth[view].depth
    sky = known == 0
    low, high = np.quantile(1 / known[~sky], [0.01, 0.99])
    true = np.maximum(known, 1e-6)
    columns = [np.concatenate([photo, coloured((1 / true - low) / (high - low), sky)])]
    for said in estimates.values():
        depth = said[view].depth.cpu().numpy()
        disparity = coloured((1 / depth - low) / (high - low), sky)
        columns.append(np.concatenate([disparity, coloured(np.abs(depth - true) / true / WORST, sky)]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        Image.fromarray(np.concatenate(columns, 1)).save(file, "png")


def coloured(share: Array, black: Array) -> Array:
    """(h, w, 3) bytes: [0, 1] from blue to red."""
    values = (np.clip(share, 0, 1) * 255).astype(np.uint8)
    return cv2.applyColorMap(values, cv2.COLORMAP_TURBO)[..., ::-1] * ~black[..., None]
