"""glTF with KHR_gaussian_splatting, ratified by Khronos: uncompressed, coefficients and all, in one .glb. A
reader that does not know the extension shows coloured points.

https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0/Khronos/KHR_gaussian_splatting
"""

import json
import struct
from pathlib import Path

import numpy as np

from recon.exporting.frame import Y_UP, move_gaussians
from recon.exporting.packing import Splats, splats_from_gaussians
from recon.files import atomic_file
from recon.gaussians import SH_C0, Gaussians

NAME = "KHR_gaussian_splatting"
FLOAT, BYTE, POINTS, ARRAY_BUFFER = 5126, 5121, 0, 34962
"""glTF's numbers for component types, the primitive and the buffer."""
SHAPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}


def write_glb(path: Path, gaussians: Gaussians) -> None:
    """Write Gaussians whose y axis points down; glTF's points up."""
    splats = splats_from_gaussians(move_gaussians(gaussians, Y_UP))
    attributes = _attributes(splats)
    views, accessors, offset = [], [], 0
    for name, array in attributes.items():
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": array.nbytes, "target": ARRAY_BUFFER})
        accessors.append(_accessor(len(accessors), name, array))
        offset += array.nbytes
    document = {
        "asset": {"version": "2.0", "generator": "recon"},
        "extensionsUsed": [NAME],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [_primitive({name: i for i, name in enumerate(attributes)})]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }
    with atomic_file(path) as file:
        file.write(_glb(document, b"".join(array.tobytes() for array in attributes.values())))


def _attributes(splats: Splats) -> dict[str, np.ndarray]:
    """Every array's bytes are a multiple of 4, as glTF's alignment wants."""
    rgb = splats.sh0 * SH_C0 + 0.5
    rgba = np.clip(np.column_stack([rgb, splats.opacities]), 0, 1)
    attributes = {
        "POSITION": splats.means,
        "COLOR_0": np.round(rgba * 255).astype(np.uint8),
        f"{NAME}:ROTATION": splats.quats[:, [1, 2, 3, 0]],
        f"{NAME}:SCALE": np.exp(splats.log_scales),
        f"{NAME}:OPACITY": splats.opacities[:, None],
        f"{NAME}:SH_DEGREE_0_COEF_0": splats.sh0,
    }
    degree = 1
    for k in range(splats.shN.shape[1]):
        if k + 1 == (degree + 1) ** 2:
            degree += 1
        attributes[f"{NAME}:SH_DEGREE_{degree}_COEF_{k + 1 - degree**2}"] = splats.shN[:, k]
    return {name: np.ascontiguousarray(array) for name, array in attributes.items()}


def _accessor(view: int, name: str, array: np.ndarray) -> dict:
    bytes_ = array.dtype == np.uint8
    accessor = {
        "bufferView": view,
        "componentType": BYTE if bytes_ else FLOAT,
        "count": len(array),
        "type": SHAPES[array.shape[1]],
    }
    if bytes_:
        accessor["normalized"] = True
    if name == "POSITION":
        accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
    return accessor


def _primitive(attributes: dict[str, int]) -> dict:
    """Colours are sRGB as they are shown: they are blended without being linearised."""
    kind = {
        "kernel": "ellipse",
        "colorSpace": "srgb_rec709_display",
        "sortingMethod": "cameraDistance",
        "projection": "perspective",
    }
    return {"mode": POINTS, "attributes": attributes, "extensions": {NAME: kind}}


def _glb(document: dict, binary: bytes) -> bytes:
    """Header, JSON padded by spaces, binary padded by zeros; chunks are multiples of 4 bytes."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    chunks = (
        struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    )
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
