"""PLY as Inria's 3DGS lays it out: the format that every program for Gaussians reads.

gsplat's exporter is not used: it leaves out the normals that readers of fixed-size records expect, and one
non-finite opacity makes it drop every Gaussian (1.5.3).
"""

import logging
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from recon.errors import InputError
from recon.files import atomic_file
from recon.gaussians import Gaussians

logger = logging.getLogger(__name__)

REST_COUNTS = (0, 9, 24, 45)
"""Numbers of f_rest properties, for spherical harmonics of degree 0 to 3."""

MAX_HEADER_BYTES = 1 << 16

DTYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "<i2"),
    **dict.fromkeys(("ushort", "uint16"), "<u2"),
    **dict.fromkeys(("int", "int32"), "<i4"),
    **dict.fromkeys(("uint", "uint32"), "<u4"),
    **dict.fromkeys(("float", "float32"), "<f4"),
    **dict.fromkeys(("double", "float64"), "<f8"),
}
"""PLY's scalar types, under their old and new names."""


def write_ply(path: Path, gaussians: Gaussians) -> None:
    """Write the Gaussians as a binary PLY: x y z, normals of 0, f_dc, f_rest (all of red, then green, then
    blue), logit opacity, log scales, unit quaternion wxyz; all float32, in world units and axes.

    Gaussians with a value that is not finite, or without a rotation, are left out.
    """
    kept = finite(gaussians)
    columns = {
        "means": kept.means,
        "normals": torch.zeros_like(kept.means),
        "f_dc": kept.sh0.flatten(1),
        "f_rest": kept.shN.transpose(1, 2).flatten(1),
        "opacity": kept.logit_opacities[:, None],
        "scale": kept.log_scales,
        "rot": torch.nn.functional.normalize(kept.quats, dim=-1),
    }
    table = torch.cat([column.detach().cpu().float() for column in columns.values()], dim=1)
    names = property_names(columns["f_rest"].shape[1])
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(table)}"]
    header += [f"property float {name}" for name in names] + ["end_header", ""]
    with atomic_file(path) as file:
        file.write("\n".join(header).encode())
        file.write(np.ascontiguousarray(table.numpy(), "<f4").data)


def read_ply(path: Path) -> Gaussians:
    """The Gaussians of a PLY as `write_ply` and other 3DGS programs write it; properties in any order.

    Raises InputError if the file is no such PLY or its length is not what its header says.
    """
    try:
        with path.open("rb") as file:
            record, count = _read_header(file, path)
            promised = file.tell() + count * record.itemsize
            size = path.stat().st_size
            if size != promised:
                raise InputError(
                    f"{path} has {size} bytes where its header promises {promised}; copy or export it again."
                )
            table = np.fromfile(file, record, count)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a PLY file.") from error
    rest = sum(name.startswith("f_rest_") for name in record.names or ())

    def columns(*names: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([table[name].astype(np.float32) for name in names], axis=-1))

    rest_columns = columns(*_numbered("f_rest", rest)) if rest else torch.zeros(count, 0)
    gaussians = Gaussians(
        means=columns("x", "y", "z"),
        quats=columns(*_numbered("rot", 4)),
        log_scales=columns(*_numbered("scale", 3)),
        logit_opacities=columns("opacity")[:, 0],
        sh0=columns(*_numbered("f_dc", 3))[:, None],
        shN=rest_columns.reshape(count, 3, rest // 3).transpose(1, 2).contiguous(),
    )
    return finite(gaussians)


def property_names(rest: int) -> list[str]:
    """The vertex properties in the order of Inria's code, with `rest` higher harmonics."""
    names = ["x", "y", "z", "nx", "ny", "nz", *_numbered("f_dc", 3), *_numbered("f_rest", rest)]
    return [*names, "opacity", *_numbered("scale", 3), *_numbered("rot", 4)]


def _numbered(prefix: str, count: int) -> list[str]:
    return [f"{prefix}_{i}" for i in range(count)]


def finite(gaussians: Gaussians) -> Gaussians:
    """Those Gaussians that can be drawn: all values finite, the quaternion not zero."""
    keep = gaussians.quats.norm(dim=-1) > 0
    for value in gaussians.parameters():
        keep = keep & value.isfinite().reshape(len(value), value[:1].numel()).all(dim=1)
    if keep.all():
        return gaussians
    logger.warning("%d of %d Gaussians are not finite and are left out.", int((~keep).sum()), len(keep))
    return gaussians.select(keep)


def _read_header(file: BinaryIO, path: Path) -> tuple[np.dtype, int]:
    """The vertex record and the number of vertices; leaves the file at the first of them."""
    head = file.read(MAX_HEADER_BYTES)
    end = head.find(b"\nend_header")
    newline = head.find(b"\n", end + 1)
    if not head.startswith(b"ply") or end < 0 or newline < 0:
        raise InputError(f"{path} is not a PLY file; give one that a 3D Gaussian program wrote.")
    lines = [line.split() for line in head[:end].decode("ascii", "replace").splitlines()[1:]]
    lines = [words for words in lines if words and words[0] not in ("comment", "obj_info")]
    formats, elements, fields = [], [], []
    for words in lines:
        match words:
            case ["format", name, "1.0"]:
                formats.append(name)
            case ["element", "vertex", count] if count.isdecimal() and len(count) < 16:
                elements.append(int(count))
            case ["property", kind, name] if kind in DTYPES:
                fields.append((name, DTYPES[kind]))
            case _:
                raise InputError(
                    f"{path} has '{' '.join(words)[:60]}' in its header, which no plain PLY of Gaussians "
                    "has; export it as an uncompressed PLY."
                )
    if formats != ["binary_little_endian"]:
        raise InputError(
            f"{path} is in PLY format '{' '.join(formats)[:60]}'; export it as binary_little_endian."
        )
    _check_fields(path, elements, [name for name, _ in fields])
    file.seek(newline + 1)
    return np.dtype(fields), elements[0]


def _check_fields(path: Path, elements: list[int], names: list[str]) -> None:
    """Refuse a header that has more or less than the Gaussians' properties needs."""
    rest = sum(name.startswith("f_rest_") for name in names)
    needed = [name for name in property_names(rest) if name not in ("nx", "ny", "nz")]
    missing = [name for name in needed if name not in names]
    if len(elements) != 1 or missing:
        lacking = missing[0] if missing else "a single element 'vertex'"
        raise InputError(f"{path} holds no 3D Gaussians: {lacking} is missing; give a PLY of a 3DGS program.")
    if len(set(names)) != len(names):
        raise InputError(f"{path} names a property twice; give a PLY of a 3DGS program.")
    if rest not in REST_COUNTS:
        raise InputError(
            f"{path} has {rest} f_rest properties, but spherical harmonics of degree 0 to 3 have "
            f"{', '.join(map(str, REST_COUNTS))}; export it again."
        )
