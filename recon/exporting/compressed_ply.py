"""Compressed PLY, of PlayCanvas: a quarter of the size of a PLY, read by SuperSplat and the viewers near it.

256 neighbours share the bounds of their positions, scales and colours; within them a Gaussian is four
32-bit words, and a byte for each harmonic. https://developer.playcanvas.com, "Gaussian splatting formats".
gsplat's exporter is not used: it divides by zero where a chunk holds one Gaussian, rounds down, and writes an
empty table where there are no harmonics (1.5.3).
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt32

from recon.exporting.packing import Splats, quantise, smallest_three, splats_from_gaussians, unit_interval
from recon.files import atomic_file
from recon.gaussians import SH_C0, Gaussians

CHUNK = 256
MAX_LOG_SCALE = 20.0
"""Bounds of the logarithmic scales, beyond which readers clip."""
SH_RANGE = 8.0
"""Harmonics are stored in [-4, 4]."""


def write_compressed_ply(path: Path, gaussians: Gaussians) -> None:
    """Write the Gaussians, in the order of their places in space."""
    splats = splats_from_gaussians(gaussians)
    count, rest = len(splats.means), 3 * splats.shN.shape[1]
    words, bounds = _pack(splats)
    harmonics = splats.shN.transpose(0, 2, 1).reshape(count, rest)
    levels = np.clip(np.floor((harmonics / SH_RANGE + 0.5) * 256), 0, 255).astype(np.uint8)
    header = ["ply", "format binary_little_endian 1.0", f"element chunk {len(bounds)}"]
    header += [f"property float {name}" for name in _bound_names()]
    header += [f"element vertex {count}"]
    header += [f"property uint packed_{name}" for name in ("position", "rotation", "scale", "color")]
    if rest:
        header += [f"element sh {count}", *(f"property uchar f_rest_{i}" for i in range(rest))]
    with atomic_file(path) as file:
        file.write("\n".join([*header, "end_header", ""]).encode())
        file.write(bounds.astype("<f4").tobytes())
        file.write(words.astype("<u4").tobytes())
        file.write(levels.tobytes())


def _pack(splats: Splats) -> tuple[UInt32[np.ndarray, "g 4"], Float[np.ndarray, "c 18"]]:
    """The words of each Gaussian and the bounds of each chunk."""
    positions, position_bounds = _within_chunks(splats.means)
    scales, scale_bounds = _within_chunks(np.clip(splats.log_scales, -MAX_LOG_SCALE, MAX_LOG_SCALE))
    rgb, rgb_bounds = _within_chunks(splats.sh0 * SH_C0 + 0.5)
    largest, others = smallest_three(splats.quats)
    rotation = _join([largest, *quantise(others / 2 + 0.5, 1023).T], (2, 10, 10, 10))
    colour = _join([*quantise(rgb, 255).T, quantise(splats.opacities, 255)], (8, 8, 8, 8))
    words = np.column_stack([_pack_11_10_11(positions), rotation, _pack_11_10_11(scales), colour])
    return words, np.concatenate([position_bounds, scale_bounds, rgb_bounds], axis=1)


def _within_chunks(
    values: Float[np.ndarray, "g 3"],
) -> tuple[Float[np.ndarray, "g 3"], Float[np.ndarray, "c 6"]]:
    """Values as [0, 1] within the bounds of their chunk, and those bounds: three minima, three maxima."""
    starts = np.arange(0, len(values), CHUNK)
    if not len(starts):
        return values, np.zeros((0, 6), values.dtype)
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    chunk = np.arange(len(values)) // CHUNK
    return unit_interval(values, low[chunk], high[chunk]), np.concatenate([low, high], axis=1)


def _pack_11_10_11(values: Float[np.ndarray, "g 3"]) -> UInt32[np.ndarray, " g"]:
    fields = [quantise(values[:, axis], 2**bits - 1) for axis, bits in enumerate((11, 10, 11))]
    return _join(fields, (11, 10, 11))


def _join(fields: list[np.ndarray], bits: tuple[int, ...]) -> UInt32[np.ndarray, " g"]:
    """One word of all fields, the first in the highest bits."""
    word = np.zeros(len(fields[0]), np.uint32)
    for field, width in zip(fields, bits, strict=True):
        word = (word << np.uint32(width)) | field.astype(np.uint32)
    return word


def _bound_names() -> list[str]:
    """min_x ... max_z, min_scale_x ... max_scale_z, min_r ... max_b."""
    groups = (("x", "y", "z"), ("scale_x", "scale_y", "scale_z"), ("r", "g", "b"))
    return [f"{end}_{name}" for names in groups for end in ("min", "max") for name in names]
