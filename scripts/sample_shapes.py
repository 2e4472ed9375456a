"""Meshes of the bundled sample: grids, boxes, turned pots, tubes, stones, leaves. Metres, z up."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

Array = np.ndarray
Rng = np.random.Generator


@dataclass(frozen=True)
class Mesh:
    """Triangles with texture coordinates (u across, v upwards)."""

    points: Array
    """(p, 3) metres."""
    uvs: Array
    """(p, 2) in [0, 1]."""
    faces: Array
    """(f, 3) indices."""

    def moved(self, rotation: Array, offset: Array | tuple[float, float, float]) -> "Mesh":
        """The mesh after rotation, then translation."""
        return Mesh(self.points @ np.asarray(rotation).T + np.asarray(offset), self.uvs, self.faces)


def joined(meshes: list[Mesh]) -> Mesh:
    """One mesh of several that share a material."""
    starts = np.cumsum([0, *(len(mesh.points) for mesh in meshes[:-1])])
    return Mesh(
        np.concatenate([mesh.points for mesh in meshes]),
        np.concatenate([mesh.uvs for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
    )


def turn(axis: str, degrees: float) -> Array:
    """Rotation about the x, y or z axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    rotation = np.eye(3)
    rotation[i, i], rotation[i, j], rotation[j, i], rotation[j, j] = c, -s, s, c
    return rotation


def grid(points: Array) -> Mesh:
    """The surface through (rows, columns, 3) points; u along the columns, v along the rows."""
    rows, columns = points.shape[:2]
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    return Mesh(points.reshape(-1, 3), np.stack([u, v], -1).reshape(-1, 2), faces)


def sheet(corner: Array, across: Array, up: Array, height: Array, depth: float) -> Mesh:
    """A rectangle from `corner` along two edges, raised by depth * height along its normal.

    `height` is (rows, columns) with the first row on top, as its texture."""
    rows, columns = height.shape
    normal = np.cross(across, up) / np.linalg.norm(np.cross(across, up))
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    return grid(corner + u[..., None] * across + v[..., None] * up + depth * height[::-1, :, None] * normal)


def box(size: tuple[float, float, float]) -> dict[str, Mesh]:
    """The sides of a box on the ground, centred above the origin: top, front (-y), back, left, right."""
    x, y, z = np.array(size) / (2, 2, 1)
    corners = {
        "top": ((-x, -y, z), (2 * x, 0, 0), (0, 2 * y, 0)),
        "bottom": ((-x, y, 0), (2 * x, 0, 0), (0, -2 * y, 0)),
        "front": ((-x, -y, 0), (2 * x, 0, 0), (0, 0, z)),
        "back": ((x, y, 0), (-2 * x, 0, 0), (0, 0, z)),
        "left": ((-x, y, 0), (0, -2 * y, 0), (0, 0, z)),
        "right": ((x, -y, 0), (0, 2 * y, 0), (0, 0, z)),
    }
    flat = np.zeros((2, 2))
    return {
        side: sheet(np.array(corner), np.array(across), np.array(up), flat, 0)
        for side, (corner, across, up) in corners.items()
    }


def turned(profile: list[tuple[float, float]], steps: int = 96) -> Mesh:
    """A pot: the (radius, height) profile, drawn from the bottom outside up, turned about the z axis."""
    outline = np.maximum(profile, (1e-4, -np.inf))  # a true pole would have no normal
    angle = np.linspace(0, 2 * np.pi, steps)
    ring = np.stack([np.cos(angle), np.sin(angle), np.ones(steps)], -1)
    mesh = grid(ring[None] * outline[:, None, [0, 0, 1]])
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(outline, axis=0), axis=1))])
    mesh.uvs[:, 1] = np.repeat(lengths / lengths[-1], steps)
    return mesh


def smooth(profile: list[tuple[float, float]], steps: int = 60) -> list[tuple[float, float]]:
    """The profile drawn with a soft hand: Catmull-Rom through its points."""
    points = np.array([profile[0], *profile, profile[-1]])
    fine = []
    for t in np.linspace(0, len(profile) - 1 - 1e-9, steps):
        a, b, c, d = points[int(t) : int(t) + 4]
        s = t - int(t)
        fine.append(
            0.5 * (2 * b + (c - a) * s + (2 * a - 5 * b + 4 * c - d) * s**2 + (3 * b - a - 3 * c + d) * s**3)
        )
    return [(float(r), float(z)) for r, z in fine]


def tube(path: Array, radius: float, sides: int = 10, end: float = 0.7) -> Mesh:
    """A rod of `radius` along the (p, 3) path, thinner by the factor `end` towards its end."""
    ahead = np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    aside = np.cross(ahead, np.where(np.abs(ahead[:, 2:]) > 0.9, [[1.0, 0, 0]], [[0, 0, 1.0]]))
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    third = np.cross(ahead, aside)
    angle = np.linspace(0, 2 * np.pi, sides)[None, :, None]
    width = radius * np.linspace(1, end, len(path))[:, None, None]
    return grid(path[:, None] + width * (np.cos(angle) * aside[:, None] + np.sin(angle) * third[:, None]))


def arc(start: Array, end: Array, rise: float, steps: int = 24) -> Array:
    """(steps, 3) points from start to end, lifted by `rise` in the middle."""
    t = np.linspace(0, 1, steps)[:, None]
    return start + t * (np.asarray(end) - start) + np.array([0, 0, rise]) * (4 * t * (1 - t))


def stone(radii: tuple[float, float, float], rng: Rng, roughness: float = 0.1) -> Mesh:
    """A boulder about the origin: an ellipsoid, dented by random waves."""
    polar, azimuth = np.meshgrid(
        np.linspace(np.pi - 1e-3, 1e-3, 64), np.linspace(0, 2 * np.pi, 128), indexing="ij"
    )
    directions = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], -1
    )
    dent = np.zeros(polar.shape)
    for frequency in (1.5, 2.5, 4, 7, 12):
        for wave in rng.standard_normal((3, 3)) * frequency:
            dent += np.sin(directions @ wave + rng.uniform(0, 6)) / frequency
    return grid(directions * (1 + roughness * dent[..., None]) * np.array(radii))


def leaf(length: float, width: float, droop: float, fold: float) -> Mesh:
    """A blade from the origin along +x, curving down by `droop` and folded up along its midrib."""
    t, s = np.meshgrid(np.linspace(0, 1, 14), np.linspace(-1, 1, 9))
    half = 0.5 * width * np.maximum(np.sin(np.pi * t**0.75), 0.01) ** 0.85
    z = -droop * length * t**2 + fold * half * np.abs(s) + 0.04 * width * np.sin(9 * t + 3 * s) * np.abs(s)
    return grid(np.stack([length * t, s * half, z], -1))


def write_ply(path: Path, mesh: Mesh) -> None:
    """The mesh as binary PLY with texture coordinates; Mitsuba derives smooth normals from it."""
    # Mitsuba counts v from the first row of a bitmap down.
    uvs = mesh.uvs * (1, -1) + (0, 1)
    vertices = np.concatenate([mesh.points, uvs], 1).astype("<f4")
    faces = np.empty(len(mesh.faces), [("count", "u1"), ("index", "<i4", 3)])
    faces["count"], faces["index"] = 3, mesh.faces
    properties = "".join(f"property float {name}\n" for name in ("x", "y", "z", "u", "v"))
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertices)}\n{properties}"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    path.write_bytes(header.encode() + vertices.tobytes() + faces.tobytes())
