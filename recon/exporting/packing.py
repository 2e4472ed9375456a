"""What the compact formats share: arrays on the host, quaternions by their three smallest components, an
order in which neighbours in space are neighbours in the file, codebooks."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from recon.exporting.ply import finite
from recon.gaussians import Gaussians

OTHERS = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
"""The components that stay when one of four is left out."""


class Splats(NamedTuple):
    """Gaussians as arrays of float32, none of them infinite or no number."""

    means: Float[np.ndarray, "g 3"]
    quats: Float[np.ndarray, "g 4"]
    """wxyz, of unit length."""
    log_scales: Float[np.ndarray, "g 3"]
    opacities: Float[np.ndarray, " g"]
    """In (0, 1)."""
    sh0: Float[np.ndarray, "g 3"]
    shN: Float[np.ndarray, "g k 3"]


def splats_from_gaussians(gaussians: Gaussians) -> Splats:
    """The Gaussians that can be drawn, in the order of their places in space."""
    kept = finite(gaussians)
    arrays = [value.detach().cpu().float().numpy() for value in kept.parameters()]
    means, quats, log_scales, logits, sh0, shN = arrays
    order = morton_order(means)
    opacities = kept.opacities.detach().cpu().float().numpy()
    unit = quats / np.linalg.norm(quats, axis=1, keepdims=True)
    return Splats(means[order], unit[order], log_scales[order], opacities[order], sh0[order, 0], shN[order])


def smallest_three(
    quats: Float[np.ndarray, "g 4"],
) -> tuple[Int[np.ndarray, " g"], Float[np.ndarray, "g 3"]]:
    """The index of the largest component, and the others times sqrt(2), in [-1, 1], signs turned so that the
    largest is positive."""
    rows = np.arange(len(quats))
    largest = np.abs(quats).argmax(axis=1)
    sign = np.where(quats[rows, largest] < 0, -1.0, 1.0)
    others = quats[rows[:, None], OTHERS[largest]] * sign[:, None]
    return largest, np.clip(others * 2**0.5, -1, 1)


def morton_order(means: Float[np.ndarray, "g 3"]) -> Int[np.ndarray, " g"]:
    """Indices along a Z-order curve through the bounding box, 21 bits an axis."""
    if not len(means):
        return np.zeros(0, np.int64)
    low, high = means.min(axis=0), means.max(axis=0)
    span = np.where(high > low, high - low, 1)
    cells = ((means - low) / span * (2**21 - 1)).astype(np.uint64)
    code = np.zeros(len(means), np.uint64)
    for axis in range(3):
        code |= _spread_bits(cells[:, axis]) << np.uint64(axis)
    return np.argsort(code, kind="stable")


def _spread_bits(x: np.ndarray) -> np.ndarray:
    """Two zeros between any two of the 21 lowest bits."""
    for shift, mask in (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        x = (x | (x << np.uint64(shift))) & np.uint64(mask)
    return x


def unit_interval(
    values: Float[np.ndarray, "g c"], low: Float[np.ndarray, "... c"], high: Float[np.ndarray, "... c"]
) -> Float[np.ndarray, "g c"]:
    """Values between `low` and `high` as [0, 1]; 0 where both are the same."""
    span = np.where(high > low, high - low, 1)
    return np.clip((values - low) / span, 0, 1)


def quantise(values: np.ndarray, levels: int) -> np.ndarray:
    """[0, 1] as the nearest of 0 ... levels, unsigned 32-bit."""
    return np.round(np.clip(values, 0, 1) * levels).astype(np.uint32)
