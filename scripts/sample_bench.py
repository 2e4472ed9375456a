"""The bundled sample's bench and what lies on it: books, ware. Metres, z up."""

import numpy as np
import sample_shapes as shapes
import sample_textures as textures
from sample_place import Place
from sample_shapes import turn
from sample_textures import rgb


def add_plank(
    place: Place, size: tuple[float, float, float], where: tuple, yaw: float, rng: np.random.Generator
) -> None:
    """One board, its grain along x."""
    tone = [rgb(c) for c in ("b08a5c", "a07a50", "bb9868", "97764f")][rng.integers(4)]
    high = max(size[1], size[2])
    plank = textures.wood((max(64, int(700 * high)), int(900 * size[0])), tone, rng)
    place.add(shapes.joined(list(shapes.box(size).values())).moved(turn("z", yaw), where), plank, 0.6, 0.4)


def add_crate(place: Place, rng: np.random.Generator) -> None:
    """A low bench: three boards on two trestles of boards."""
    for y in (0.17, 0.36, 0.55):
        add_plank(
            place,
            (1.25, 0.175, 0.03),
            (0.02 + rng.uniform(-0.02, 0.02), y, 0.43),
            rng.uniform(-0.5, 0.5),
            rng,
        )
    for x in (-0.45, 0.48):
        for z in (0.02, 0.16, 0.30):
            add_plank(place, (0.50, 0.03, 0.115), (x, 0.36, z), 90, rng)
    add_plank(place, (0.92, 0.025, 0.09), (0.02, 0.2, 0.30), 0, rng)


def add_book(
    place: Place, size: tuple[float, float, float], where: np.ndarray, rotation: np.ndarray, rng
) -> None:
    """A bound book lying on its back; the spine is its front side, towards -y."""
    width, depth, high = size
    covers = ("7b2d26", "22577a", "e0b04a", "386641", "ede3cf", "4a3d5c")
    tone = rgb(covers[rng.integers(len(covers))])
    ink = rgb("f3ead3") if tone.mean() < 0.5 else rgb("3a2a20")
    sides = shapes.box(size)
    cover = textures.page((int(1600 * depth), int(1600 * width)), tone, ink, rng)
    spine = np.ascontiguousarray(
        textures.shade(
            np.full((int(2400 * high), int(2400 * width), 3), tone),
            0.08 * textures.noise((int(2400 * high), int(2400 * width)), 60, rng),
        )
    )
    h, w = spine.shape[:2]
    textures.print_glyphs(spine, (w // 10, h // 5, w - w // 10, h), max(12, int(0.5 * h)), ink, rng)
    pages = textures.shade(
        np.full((120, 400, 3), rgb("e9dfc4")), 0.16 * textures.noise((120, 400), (5, 900), rng, 2)
    )
    pages = textures.shade(pages, 0.06 * textures.noise((120, 400), 20, rng, 5))
    for side, picture in (
        ("top", cover),
        ("front", spine),
        ("left", pages),
        ("right", pages),
        ("back", pages),
    ):
        place.add(sides[side].moved(rotation, where), picture, 0.45, 0.5)


def add_books(place: Place, rng: np.random.Generator) -> None:
    z = 0.46
    for size, yaw in (((0.30, 0.22, 0.045), 12), ((0.27, 0.20, 0.035), -9), ((0.23, 0.17, 0.05), 20)):
        add_book(place, size, np.array([-0.30, 0.33, z]), turn("z", yaw), rng)
        z += size[2]
    leaning = turn("z", -14) @ turn("x", 68)
    add_book(place, (0.24, 0.32, 0.035), np.array([0.12, 0.50, 0.60]), leaning, rng)
    add_book(place, (0.26, 0.19, 0.04), np.array([0.40, 0.20, 0.46]), turn("z", -24), rng)


def add_ware(place: Place, rng: np.random.Generator) -> None:
    """Glazed vase, painted ball, marbled egg and labelled tin on the bench."""
    vase = [
        (0, 0),
        (0.05, 0),
        (0.075, 0.03),
        (0.10, 0.11),
        (0.085, 0.2),
        (0.045, 0.26),
        (0.04, 0.30),
        (0.055, 0.33),
        (0.045, 0.325),
        (0.035, 0.30),
        (0.04, 0.2),
    ]
    place.add(
        shapes.turned(shapes.smooth(vase)).moved(np.eye(3), (0.47, 0.44, 0.46)),
        textures.glaze((512, 1024), rng),
        0.18,
        0.5,
    )
    palette = [rgb(c) for c in ("d64933", "f0c987", "2b4162", "7fb7be", "efe9d9", "8c5e58")]
    ball = textures.dead_leaves((512, 1024), (6, 70), palette, rng)
    place.add(
        shapes.stone((0.085, 0.085, 0.085), rng, 0).moved(turn("x", 40), (0.13, 0.22, 0.545)), ball, 0.25, 0.5
    )
    label = textures.page((420, 900), rgb("e8d8a8"), rgb("7a2222"), rng)
    can = [(0, 0), (0.052, 0), (0.052, 0.145), (0.049, 0.147), (0.046, 0.142), (0, 0.142)]
    place.add(shapes.turned(can).moved(turn("z", 200), (-0.02, 0.34, 0.46)), label, 0.35, 0.5)
    for x, y, size in ((-0.30, 0.32, 0.042), (0.36, 0.19, 0.036)):
        tone = rgb(("9fb3a6", "caa58c")[int(x > 0)])
        egg = shapes.stone((size * 1.25, size, size * 0.8), rng, 0.05)
        place.add(
            egg.moved(turn("z", 100 * x), (x, y, (0.59 if x < 0 else 0.50) + size * 0.7)),
            textures.pebble(tone, rng),
            0.4,
            0.4,
        )
