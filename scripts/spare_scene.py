"""Random things on a textured table in a dark box, as the SpaRe benchmark stages them. Metres, z up.

Shapes, sizes, textures and materials come from the seed alone; lamps have an area, so shadows are real.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sample_shapes as shapes
import sample_textures as textures
from sample_place import Place
from sample_shapes import turn

Array = np.ndarray
Rng = np.random.Generator

LIGHTS = 7
ALL_ON = 3
"""The lighting that is measured; each of the others has one lamp on."""
TABLE = 0.6
"""Half the side of the table top."""


def build(folder: Path, seed: int, light: int, things: bool = True) -> dict[str, Any]:
    """Mitsuba's dictionary of a scene under one of its lightings, without camera; `things` False: the table
    alone. `folder` must outlive the loading."""
    place = Place(folder)
    add_table(place, np.random.default_rng([seed, 0]))
    if things:
        add_things(place, np.random.default_rng([seed, 1]))
    return {**place.things, **lamps(light)}


def add_table(place: Place, rng: Rng) -> None:
    side, flat = 1024, np.zeros((2, 2))
    corner, across, up = (
        np.array([-TABLE, -TABLE, 0]),
        np.array([2 * TABLE, 0, 0]),
        np.array([0, 2 * TABLE, 0]),
    )
    place.add(
        shapes.sheet(corner, across, up, flat, 0), any_texture((side, side), rng), rng.uniform(0.4, 0.9)
    )


def add_things(place: Place, rng: Rng) -> None:
    """Three to six things on a ring around a larger one in the middle."""
    makers: tuple[Callable[[Place, Array, float, Rng], None], ...] = (add_box, add_pot, add_stone)
    makers[rng.integers(3)](place, np.zeros(2), rng.uniform(0.06, 0.09), rng)
    count = int(rng.integers(3, 7))
    for i in range(count):
        angle = 2 * np.pi * (i + rng.uniform(-0.2, 0.2)) / count
        where = rng.uniform(0.10, 0.13) * np.array([np.cos(angle), np.sin(angle)])
        makers[rng.integers(3)](place, where, rng.uniform(0.02, 0.04), rng)


def add_box(place: Place, where: Array, size: float, rng: Rng) -> None:
    sides = (size * rng.uniform(0.7, 1.2), size * rng.uniform(0.7, 1.2), size * rng.uniform(1.0, 2.4))
    rotation, finish = turn("z", rng.uniform(0, 360)), material(rng)
    picture = any_texture((512, 512), rng)
    for mesh in shapes.box(sides).values():
        place.add(mesh.moved(rotation, (*where, 0.0)), picture, *finish)


def add_pot(place: Place, where: Array, size: float, rng: Rng) -> None:
    """A random outline turned about its axis, closed above."""
    heights = np.linspace(0, size * rng.uniform(1.0, 2.0), 5)
    radii = size * rng.uniform(0.45, 1.0, 5)
    profile = [(0.0, 0.0), *zip(radii.tolist(), heights.tolist(), strict=True), (0.0, float(heights[-1]))]
    mesh = shapes.turned(shapes.smooth(profile))
    place.add(mesh.moved(np.eye(3), (*where, 0.0)), any_texture((512, 1024), rng), *material(rng))


def add_stone(place: Place, where: Array, size: float, rng: Rng) -> None:
    a, b, c = size * rng.uniform(0.7, 1.2, 3)
    mesh = shapes.stone((a, b, c), rng, rng.uniform(0, 0.15))
    place.add(
        mesh.moved(turn("z", rng.uniform(0, 360)), (*where, 0.9 * c)),
        any_texture((512, 1024), rng),
        *material(rng),
    )


def material(rng: Rng) -> tuple[float, float]:
    """Roughness and specular: from chalk to varnish."""
    return float(rng.uniform(0.15, 0.9)), float(rng.uniform(0.1, 0.6))


def any_texture(shape: tuple[int, int], rng: Rng) -> Array:
    """One of the painters, in random colours: (h, w, 3) sRGB."""
    tones = [rng.uniform(0.1, 0.9, 3).astype(np.float32) for _ in range(6)]
    painters: tuple[Callable[[], Array], ...] = (
        lambda: textures.wood(shape, tones[0], rng),
        lambda: textures.terracotta(shape, rng),
        lambda: textures.glaze(shape, rng),
        lambda: textures.pebble(tones[0], rng),
        lambda: textures.tin(shape, tones[0], rng),
        lambda: textures.page(shape, tones[0], tones[1] * 0.3, rng),
        lambda: textures.dead_leaves(shape, (6, shape[0] / 8), tones, rng),
    )
    return painters[rng.integers(len(painters))]()


def lamps(light: int) -> dict[str, Any]:
    """Six lamps in a ring above, all on or one alone, and a faint light from everywhere."""
    import mitsuba as mi

    lit: dict[str, Any] = {"ambient": {"type": "constant", "radiance": 0.03}}
    alone = [index for index in range(LIGHTS) if index != ALL_ON]
    for lamp, number in enumerate(alone):
        if light not in (ALL_ON, number):
            continue
        angle = 2 * np.pi * lamp / len(alone)
        origin = [1.0 * np.cos(angle), 1.0 * np.sin(angle), 1.3]
        lit[f"lamp{number}"] = {
            "type": "rectangle",
            "to_world": mi.ScalarTransform4f().look_at(origin=origin, target=[0, 0, 0], up=[0, 0, 1])
            @ mi.ScalarTransform4f().scale(0.12),
            "emitter": {"type": "area", "radiance": 15.0 if light == ALL_ON else 40.0},
        }
    return lit
