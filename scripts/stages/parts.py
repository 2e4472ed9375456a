"""Forms that furniture and yards are built of, each put into a place with its cover. Metres, z up."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import sample_shapes as shapes
from sample_place import Place
from sample_shapes import Mesh, turn

Array = np.ndarray
Point = Sequence[float] | np.ndarray

FLAT = np.zeros((2, 2))
POLE = 1e-9
"""Radians that a cushion's poles are left open: its exponents make a millionth of it visible."""


def block(
    place: Place, size: Point, where: Point, cover: Array, yaw: float = 0.0, gloss: tuple = (0.6, 0.3)
) -> None:
    """A box that stands on `where`, turned by `yaw` degrees."""
    x, y, z = size
    sides = shapes.joined(list(shapes.box((x, y, z)).values()))
    place.add(sides.moved(turn("z", yaw), np.asarray(where)), cover, *gloss)


def panel(
    place: Place, corner: Point, across: Point, up: Point, cover: Array, gloss: tuple = (0.9, 0.2)
) -> None:
    """A flat rectangle from its corner along two edges."""
    mesh = shapes.sheet(np.array(corner), np.array(across), np.array(up), FLAT, 0)
    place.add(mesh, cover, *gloss)


def rods(
    place: Place, ends: Sequence[tuple[Point, Point]], radius: float, cover: Array, gloss: tuple = (0.4, 0.5)
) -> None:
    """Straight round bars between pairs of points, under one cover."""
    meshes = [
        shapes.tube(np.linspace(np.array(a, dtype=float), np.array(b, dtype=float), 3), radius, 12, end=1.0)
        for a, b in ends
    ]
    place.add(shapes.joined(meshes), cover, *gloss)


def cushion(size: Point, softness: float = 0.35) -> Mesh:
    """A rounded block on the ground, centred above the origin: a superellipsoid, rounder with `softness`."""
    polar, azimuth = np.meshgrid(
        np.linspace(-np.pi / 2 + POLE, np.pi / 2 - POLE, 40), np.linspace(-np.pi, np.pi, 80), indexing="ij"
    )

    def power(wave: Array) -> Array:
        return np.sign(wave) * np.abs(wave) ** softness

    unit = np.stack(
        [
            power(np.cos(polar)) * power(np.cos(azimuth)),
            power(np.cos(polar)) * power(np.sin(azimuth)),
            power(np.sin(polar)),
        ],
        -1,
    )
    half = np.array(size) / 2
    mesh = shapes.grid(unit * half + np.array([0, 0, half[2]]))
    # Cloth keeps its scale on all sides when the texture is laid on from above and the front.
    uvs = np.stack(
        [mesh.points[:, 0] / size[0] + 0.5, (mesh.points[:, 1] + mesh.points[:, 2]) / (size[1] + size[2])], 1
    )
    return Mesh(mesh.points, np.clip(uvs, -1, 1), mesh.faces)


def pillow(
    place: Place, size: Point, where: Point, cover: Array, turned: Array | None = None, softness: float = 0.35
) -> None:
    """A cushion that stands on `where`, of cloth."""
    rotation = np.eye(3) if turned is None else turned
    place.add(cushion(size, softness).moved(rotation, np.asarray(where)), cover, 0.95, 0.1)


def vessel(
    place: Place,
    profile: list[tuple[float, float]],
    where: Point,
    cover: Array,
    gloss: tuple = (0.3, 0.5),
    soft: bool = True,
) -> None:
    """A turned body; (radius, height) from the bottom outside up; with edges where it is not `soft`."""
    if soft:
        mesh = shapes.turned(shapes.smooth(profile))
    else:  # bands that share no normals
        mesh = shapes.joined([shapes.turned([a, b]) for a, b in pairwise(profile)])
    place.add(mesh.moved(np.eye(3), np.asarray(where)), cover, *gloss)


def curtain(place: Place, corner: Point, width: float, height: float, cover: Array, folds: float) -> None:
    """A hanging cloth along x with folds, hanging down to `corner`."""
    v, u = np.meshgrid(np.linspace(0, 1, 30), np.linspace(0, 1, 260), indexing="ij")
    wave = np.sin(2 * np.pi * folds * u + 0.6 * np.sin(5 * u)) * (0.045 - 0.015 * v)
    points = np.stack([u * width, wave, v * height], -1)
    place.add(shapes.grid(points + np.array(corner)), cover, 0.95, 0.1)
