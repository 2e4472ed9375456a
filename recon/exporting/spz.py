"""SPZ, of Niantic: about a tenth of a PLY. Version 3 is one gzip stream, which older readers know; version 4
six Zstandard streams behind a plain header. https://github.com/nianticlabs/spz

Both hold the same bytes, attribute by attribute. Axes are x right, y up, z backward. No Python package
writes it: `spz` on PyPI is another project, gsply has no version 4.
"""

import gzip
import struct
from pathlib import Path

import numpy as np
import zstandard

from recon.exporting.frame import Y_UP, move_gaussians
from recon.exporting.packing import OTHERS, Splats, splats_from_gaussians
from recon.files import atomic_file
from recon.gaussians import Gaussians

MAGIC = 0x5053474E
VERSIONS = (3, 4)
COLOUR_SCALE = 0.15
"""Of the constant coefficient in units of the whole byte: leaves room beyond black and white."""
POSITION_BITS = 18
"""Positions are rounded to the scene's extent over 2^18, the extent itself to the next power of two."""
ZSTD_LEVEL = 12


def write_spz(path: Path, gaussians: Gaussians, version: int = 4) -> None:
    """Write Gaussians whose y axis points down as SPZ `version`, 3 or 4."""
    if version not in VERSIONS:
        raise ValueError(f"SPZ version {version}: 3 and 4 can be written.")
    splats = splats_from_gaussians(move_gaussians(gaussians, Y_UP))
    bits = fractional_bits(splats.means)
    streams = _streams(splats, bits)
    head = struct.pack("<IIIBB", MAGIC, version, len(splats.means), gaussians.sh_degree, bits)
    if version == 3:
        content = gzip.compress(head + bytes(2) + b"".join(streams), mtime=0)
    else:
        content = _version_4(head, [stream for stream in streams if stream])
    with atomic_file(path) as file:
        file.write(content)


def fractional_bits(means: np.ndarray) -> int:
    """Bits after the binary point of a coordinate: a step is 2^-POSITION_BITS of the scene's extent."""
    extent = float(np.abs(means).max(initial=0))
    whole = int(np.ceil(np.log2(max(extent, 1e-6))))
    return max(0, min(POSITION_BITS - whole, 23))


def _version_4(head: bytes, streams: list[bytes]) -> bytes:
    """Header of 32 bytes, a table of compressed and plain sizes, the streams."""
    header = head + struct.pack("<BBI12x", 0, len(streams), 32)
    packed = [zstandard.compress(stream, ZSTD_LEVEL) for stream in streams]
    table = b"".join(struct.pack("<QQ", len(p), len(s)) for p, s in zip(packed, streams, strict=True))
    return header + table + b"".join(packed)


def _streams(splats: Splats, bits: int) -> list[bytes]:
    """Positions, opacities, colours, scales, rotations, harmonics (rgb of one coefficient side by side)."""
    fixed = np.round(splats.means.astype(np.float64) * 2**bits).astype("<i4")
    harmonics = np.round(splats.shN * 128 + 128)
    attributes = (
        fixed.view(np.uint8).reshape(len(fixed), 3, 4)[:, :, :3],
        splats.opacities * 255,
        splats.sh0 * (COLOUR_SCALE * 255) + 127.5,
        (splats.log_scales + 10) * 16,
        _rotations(splats.quats),
        harmonics,
    )
    return [np.clip(np.round(a), 0, 255).astype(np.uint8).tobytes() for a in attributes]


def _rotations(wxyz: np.ndarray) -> np.ndarray:
    """Four bytes: two bits for the largest of x, y, z, w, then sign and nine bits for each of the others."""
    xyzw = wxyz[:, [1, 2, 3, 0]]
    rows = np.arange(len(xyzw))
    largest = np.abs(xyzw).argmax(axis=1)
    negated = xyzw[rows, largest] < 0
    word = largest.astype(np.uint32)
    for component in OTHERS[largest].T:
        value = xyzw[rows, component]
        sign = (value < 0) ^ negated
        magnitude = np.minimum(np.abs(value) * (511 * 2**0.5) + 0.5, 511).astype(np.uint32)
        word = (word << np.uint32(10)) | (sign.astype(np.uint32) << np.uint32(9)) | magnitude
    return word.astype("<u4").view(np.uint8)
