"""The bundled sample's place: a paved corner of a yard, its things, its light. Metres, z up, wall at y = 1.1.

`build` returns a Mitsuba scene dictionary without camera. Meshes go through PLY files in a temporary folder.
"""

from pathlib import Path
from typing import Any

import numpy as np
import sample_shapes as shapes
import sample_textures as textures
from sample_bench import add_books, add_crate, add_plank, add_ware
from sample_place import Place, sky
from sample_plants import WALL_Y, add_fallen_leaves, add_ivy, add_pots
from sample_shapes import turn
from sample_textures import rgb

LEFT_X = -1.75


def build(folder: Path, seed: int) -> dict[str, Any]:
    """The whole place; `folder` must outlive the loading of the scene."""
    place = Place(folder)
    for part in (
        add_ground,
        add_wall,
        add_fence,
        add_crate,
        add_books,
        add_ware,
        add_pots,
        add_can,
        add_stones,
        add_ivy,
        add_poster,
        add_fallen_leaves,
    ):
        part(place, np.random.default_rng([seed, sum(part.__name__.encode())]))
    place.things["sky"] = sky()
    return place.things


def add_ground(place: Place, rng: np.random.Generator) -> None:
    picture, height = textures.flagstones((2400, 3600), 260, rng)
    picture_height = height[::6, ::6]
    corner, across, back = np.array([-3.2, -3.0, 0]), np.array([6.6, 0, 0]), np.array([0, 4.4, 0])
    place.add(shapes.sheet(corner, across, back, picture_height, 0.012), picture, 0.7)


def add_wall(place: Place, rng: np.random.Generator) -> None:
    scale = 420
    size = np.array([6.4, 2.6])
    picture, height = textures.painted_wall((int(size[1] * scale), int(size[0] * scale)), scale, rng)
    corner = np.array([LEFT_X - 0.2, WALL_Y, -0.05])
    wall = shapes.sheet(corner, np.array([size[0], 0, 0]), np.array([0, 0, size[1]]), height[::6, ::6], 0.012)
    place.add(wall, picture, 0.9, 0.2)


def add_fence(place: Place, rng: np.random.Generator) -> None:
    """Upright boards along the left edge, each a little out of line."""
    tones = [rgb(c) for c in ("8d7a63", "7c6f60", "9a8468", "76685a", "857b70")]
    y = WALL_Y - 0.06
    while y > -2.6:
        width = rng.uniform(0.11, 0.16)
        sides = shapes.box((0.025, width - rng.uniform(0.006, 0.018), rng.uniform(1.9, 2.25)))
        grain = textures.wood((160, 1500), tones[rng.integers(len(tones))], rng)
        upright = np.ascontiguousarray(np.rot90(grain))
        offset = (LEFT_X + rng.uniform(-0.015, 0.015), y - width / 2, 0)
        board = shapes.joined([sides["right"], sides["front"], sides["back"], sides["top"]])
        place.add(board.moved(turn("z", rng.uniform(-3, 3)), offset), upright, 0.85)
        y -= width


def add_can(place: Place, rng: np.random.Generator) -> None:
    """A watering can of painted tin in front of the bench."""
    body = [(0, 0), (0.12, 0), (0.115, 0.21), (0.10, 0.235), (0.06, 0.25), (0.055, 0.24), (0.09, 0.22)]
    spout = shapes.tube(shapes.arc(np.array([0.10, 0, 0.06]), np.array([0.33, 0, 0.27]), -0.03), 0.024, 16)
    rose = shapes.turned([(0.02, 0), (0.05, 0.04), (0.048, 0.045), (0, 0.05)]).moved(
        turn("y", 45), (0.32, 0, 0.26)
    )
    handle = shapes.tube(
        shapes.arc(np.array([-0.115, 0, 0.06]), np.array([0.05, 0, 0.245]), 0.17, 40), 0.012, 12
    )
    tone = rgb("4f8a86")
    for mesh in (shapes.turned(body, 128), spout, rose, handle):
        place.add(
            mesh.moved(turn("z", 203), (-0.32, -0.28, 0.012)), textures.tin((512, 1024), tone, rng), 0.35, 0.5
        )


def add_stones(place: Place, rng: np.random.Generator) -> None:
    tones = [rgb(c) for c in ("9a948c", "8b7d6f", "b0a79b", "77787a", "a58f7c", "c4b8a6")]
    spots = [
        (0.42, -0.42, 0.13),
        (0.66, -0.30, 0.085),
        (0.24, -0.55, 0.06),
        (0.58, -0.60, 0.055),
        (0.10, -0.36, 0.045),
        (-0.85, -0.18, 0.10),
        (-1.02, -0.32, 0.06),
        (-0.68, -0.34, 0.045),
        (1.20, -0.25, 0.07),
        (0.86, -0.62, 0.04),
    ]
    for x, y, size in spots:
        radii = size * rng.uniform((0.9, 0.75, 0.55), (1.3, 1.0, 0.75))
        where = (x, y, 0.6 * radii[2] + 0.01)
        place.add(
            shapes.stone(tuple(radii), rng, 0.09).moved(turn("z", rng.uniform(0, 360)), where),
            textures.pebble(tones[rng.integers(len(tones))], rng),
            0.75,
        )


def add_poster(place: Place, rng: np.random.Generator) -> None:
    """A framed print on the wall above the bench, and a smaller one."""
    for x, z, width, high, paper in ((-0.28, 0.86, 0.52, 0.66, "efe6d0"), (0.50, 0.98, 0.34, 0.44, "dfe4dc")):
        face = np.array([x - width / 2, WALL_Y - 0.045, z])
        sheet = shapes.sheet(face, np.array([width, 0, 0]), np.array([0, 0, high]), np.zeros((2, 2)), 0)
        place.add(
            sheet,
            textures.page((int(1100 * high), int(1100 * width)), rgb(paper), rgb("2b2b33"), rng),
            0.4,
            0.4,
        )
        for edge in (0, 1):
            add_plank(
                place,
                (width + 0.06, 0.035, 0.03),
                (x, WALL_Y - 0.05, z - 0.03 + edge * (high + 0.03)),
                0,
                rng,
            )
            sides = shapes.joined(list(shapes.box((0.03, 0.035, high)).values()))
            grain = np.ascontiguousarray(np.rot90(textures.wood((48, 500), rgb("97764f"), rng)))
            place.add(
                sides.moved(np.eye(3), (x + (edge - 0.5) * (width + 0.03), WALL_Y - 0.05, z)), grain, 0.6
            )
