"""SOG version 2, of PlayCanvas: Gaussians as lossless WebP pictures in a zip, a fifteenth of a PLY, made for
the web. https://developer.playcanvas.com, "The SOG format"

One pixel is one Gaussian. Positions are 16-bit after log(1 + |x|), spread over two pictures; scales and
colours are indices into codebooks; harmonics one index into a palette, whose values have a codebook.
"""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from recon.exporting.codebook import palette, scalar_codebook
from recon.exporting.packing import Splats, quantise, smallest_three, splats_from_gaussians, unit_interval
from recon.files import atomic_file
from recon.gaussians import Gaussians

PALETTE = 16384
"""Sets of harmonics, at most; the format allows four times as many."""
CENTROIDS_A_ROW = 64
"""Fixed by the format."""
LARGEST_TAG = 252
"""Alpha of a quaternion's pixel: this plus the index of the component that is left out."""
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The same Gaussians give the same bytes."""

Files = dict[str, bytes]


def write_sog(path: Path, gaussians: Gaussians) -> None:
    """Write the Gaussians as one zip file."""
    with atomic_file(path) as file:
        file.write(sog_bytes(gaussians))


def sog_bytes(gaussians: Gaussians) -> bytes:
    """What `write_sog` writes."""
    splats = splats_from_gaussians(gaussians)
    files: Files = {}
    meta = {
        "version": 2,
        "count": len(splats.means),
        "means": _means(splats, files),
        "scales": _codebook(splats.log_scales, "scales", files),
        "quats": _quats(splats, files),
        "sh0": _codebook(splats.sh0, "sh0", files, quantise(splats.opacities, 255)),
    }
    if splats.shN.shape[1] and len(splats.means):
        meta["shN"] = _harmonics(splats, gaussians.sh_degree, files)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {**files, "meta.json": json.dumps(meta).encode()}.items():
            archive.writestr(zipfile.ZipInfo(name, ZIP_EPOCH), data)
    return content.getvalue()


def _means(splats: Splats, files: Files) -> dict:
    logs = np.sign(splats.means) * np.log1p(np.abs(splats.means.astype(np.float64)))
    low, high = logs.min(axis=0, initial=np.inf), logs.max(axis=0, initial=-np.inf)
    if not len(logs):
        low = high = np.zeros(3)
    levels = quantise(unit_interval(logs, low, high), 65535)
    files["means_l.webp"] = _webp(_picture(levels & 255))
    files["means_u.webp"] = _webp(_picture(levels >> 8))
    return {"mins": low.tolist(), "maxs": high.tolist(), "files": ["means_l.webp", "means_u.webp"]}


def _quats(splats: Splats, files: Files) -> dict:
    largest, others = smallest_three(splats.quats)
    files["quats.webp"] = _webp(_picture(quantise(others / 2 + 0.5, 255), LARGEST_TAG + largest))
    return {"files": ["quats.webp"]}


def _codebook(
    values: Float[np.ndarray, "g 3"], name: str, files: Files, alpha: np.ndarray | None = None
) -> dict:
    centres, labels = scalar_codebook(values)
    files[f"{name}.webp"] = _webp(_picture(labels, alpha))
    return {"codebook": centres.tolist(), "files": [f"{name}.webp"]}


def _harmonics(splats: Splats, degree: int, files: Files) -> dict:
    """The palette is a picture of 64 entries a row, a pixel for each coefficient of an entry."""
    count, coefficients = splats.shN.shape[:2]
    entries, labels = palette(splats.shN.reshape(count, -1), PALETTE)
    centres, indices = scalar_codebook(entries)
    rows = -(-len(entries) // CENTROIDS_A_ROW)
    picture = np.zeros((rows * CENTROIDS_A_ROW, coefficients, 4), np.uint8)
    picture[: len(entries), :, :3] = indices.reshape(len(entries), coefficients, 3)
    picture[..., 3] = 255
    low_high = np.column_stack([labels & 255, labels >> 8, np.zeros_like(labels)])
    files["shN_centroids.webp"] = _webp(picture.reshape(rows, -1, 4))
    files["shN_labels.webp"] = _webp(_picture(low_high))
    return {
        "count": len(entries),
        "bands": degree,
        "codebook": centres.tolist(),
        "files": ["shN_centroids.webp", "shN_labels.webp"],
    }


def _picture(rgb: np.ndarray, alpha: np.ndarray | None = None) -> UInt8[np.ndarray, "h w 4"]:
    """One pixel a Gaussian, row by row, in a picture about as wide as high, both multiples of 4."""
    count = len(rgb)
    width = max(4, 4 * int(np.ceil(count**0.5 / 4)))
    height = max(4, 4 * int(np.ceil(count / width / 4)))
    pixels = np.zeros((height * width, 4), np.uint8)
    pixels[:count, :3] = rgb
    pixels[:count, 3] = 255 if alpha is None else alpha
    return pixels.reshape(height, width, 4)


def _webp(pixels: UInt8[np.ndarray, "h w 4"]) -> bytes:
    """Lossless; `exact` keeps the colours of pixels whose alpha is 0."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "WEBP", lossless=True, exact=True, quality=75)
    return content.getvalue()
