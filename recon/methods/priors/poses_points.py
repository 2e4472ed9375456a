"""Sparse points that COLMAP triangulated, as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from recon.scene import Photos

if TYPE_CHECKING:
    import pycolmap


@dataclass(frozen=True)
class SparsePoints:
    """Points that two or more views see; may be none."""

    xyz: Float[Tensor, "m 3"]
    """World."""
    rgb: Float[Tensor, "m 3"]
    """sRGB in [0, 1], mean over the views that see the point."""
    seen: Bool[Tensor, "m n"]
    """Which views see which point."""

    def __len__(self) -> int:
        return len(self.xyz)


@dataclass(frozen=True)
class Observations:
    """What links pictures to sparse points: one entry per keypoint that became part of a point."""

    view: Int[Tensor, " k"]
    """Index of the view."""
    point: Int[Tensor, " k"]
    """Index of the point."""
    uv: Float[Tensor, "k 2"]
    """Pixels of the picture that the keypoint was found in."""
    descriptors: UInt8[Tensor, "k _d"] | Float[Tensor, "k _d"]
    """Of these keypoints, as their features have them."""


def read_observations(
    reconstruction: "pycolmap.Reconstruction", order: Sequence[int], descriptors: Sequence[np.ndarray]
) -> tuple[Float[np.ndarray, "m 3"], Observations]:
    """World points and observations; view i is the image `order[i]` + 1, with that photo's descriptors."""
    rows = [(index, point.xyz) for index, point in sorted(reconstruction.points3D.items())]
    row_of = {point_id: row for row, (point_id, _) in enumerate(rows)}
    xyz = np.array([position for _, position in rows]).reshape(-1, 3)
    view, point, uv, descriptor = [], [], [], []
    for index, photo in enumerate(order):
        keypoints = reconstruction.images[photo + 1].points2D
        used = [k for k, keypoint in enumerate(keypoints) if keypoint.has_point3D()]
        view.append(np.full(len(used), index))
        point.append(np.array([row_of[keypoints[k].point3D_id] for k in used], dtype=np.int64))
        uv.append(np.array([keypoints[k].xy for k in used]).reshape(-1, 2))
        descriptor.append(descriptors[photo][used])
    return xyz, Observations(
        torch.from_numpy(np.concatenate(view)),
        torch.from_numpy(np.concatenate(point)),
        torch.from_numpy(np.concatenate(uv)),
        torch.from_numpy(np.concatenate(descriptor)),
    )


def paint(
    xyz: Float[np.ndarray, "m 3"],
    observations: Observations,
    photos: Photos,
    sizes: Sequence[tuple[int, int]],
) -> SparsePoints:
    """The points with the colours of the photos where they were seen; `sizes` (width, height) are those of
    the pictures in which the keypoints were found, one per photo."""
    total, seen = torch.zeros(len(xyz), 3), torch.zeros(len(xyz), len(photos), dtype=torch.bool)
    for index, (image, size) in enumerate(zip(photos.images, sizes, strict=True)):
        mine = observations.view == index
        height, width = image.shape[:2]
        scale = torch.tensor([width / size[0], height / size[1]])
        column, row = (observations.uv[mine] * scale).long().unbind(-1)
        colours = image.cpu()[row.clamp(0, height - 1), column.clamp(0, width - 1)]
        total.index_add_(0, observations.point[mine], colours)
        seen[observations.point[mine], index] = True
    count = torch.bincount(observations.point, minlength=len(xyz)).clamp_min(1)
    return SparsePoints(torch.from_numpy(xyz).float(), total / count[:, None], seen)
