"""Smaller and odd pieces of a household, each standing on `where` or hanging from it. Metres, z up."""

import numpy as np
import sample_shapes as shapes
import sample_textures as textures
from sample_place import Place
from sample_shapes import turn
from sample_textures import rgb

from stages import surfaces
from stages.parts import Point, block, panel, pillow, rods, vessel

Rng = np.random.Generator


def desk(place: Place, where: Point, tone: str, rng: Rng) -> None:
    """A table top on four thin legs, with a screen, a keyboard, a mug and papers."""
    x, y, z = where
    block(
        place,
        (1.3, 0.65, 0.03),
        (x, y, z + 0.72),
        textures.wood((300, 700), rgb(tone), rng),
        gloss=(0.4, 0.4),
    )
    legs = [((x + a, y + b, z), (x + a, y + b, z + 0.72)) for a in (-0.6, 0.6) for b in (-0.28, 0.28)]
    dark = surfaces.paint("2b2c2f", rng)
    rods(place, legs, 0.016, dark)
    block(place, (0.55, 0.03, 0.33), (x - 0.15, y + 0.18, z + 0.85), dark, yaw=6, gloss=(0.2, 0.5))
    block(place, (0.05, 0.03, 0.12), (x - 0.15, y + 0.2, z + 0.75), dark)
    block(place, (0.22, 0.16, 0.012), (x - 0.15, y + 0.2, z + 0.75), dark)
    block(place, (0.42, 0.13, 0.018), (x - 0.15, y - 0.12, z + 0.75), surfaces.paint("d9d9d6", rng), 4)
    mug = [(0, 0), (0.04, 0), (0.042, 0.09), (0.038, 0.09), (0.036, 0.01), (0, 0.01)]
    vessel(place, mug, (x + 0.32, y - 0.02, z + 0.75), surfaces.paint("b4462f", rng), (0.15, 0.5), soft=False)
    for number in range(3):
        sheet = textures.page((420, 300), rgb("f4f1ea"), rgb("2b2b33"), rng)
        block(
            place,
            (0.21, 0.297, 0.002),
            (x + 0.45, y - 0.1, z + 0.75 + 0.003 * number),
            sheet,
            rng.uniform(-25, 25),
        )


def chair(place: Place, where: Point, tone: str, rng: Rng, yaw: float = 0.0) -> None:
    """A seat on four thin legs with a back of rails; at yaw 0 its back is towards +y."""
    spin, foot = turn("z", yaw), np.asarray(where)

    def at(*point: float) -> np.ndarray:
        return spin @ np.array(point) + foot

    ends = [(at(a, -0.18, 0), at(a, -0.17, 0.44)) for a in (-0.19, 0.19)]
    ends += [(at(a, 0.2, 0), at(0.95 * a, 0.24, 0.88)) for a in (-0.19, 0.19)]
    ends += [
        (at(-0.18, 0.2 + 0.05 * t, 0.5 + 0.4 * t), at(0.18, 0.2 + 0.05 * t, 0.5 + 0.4 * t))
        for t in (0.4, 0.65, 0.9)
    ]
    rods(place, ends, 0.014, surfaces.paint(tone, rng))
    seat = spin if yaw else np.eye(3)
    pillow(place, (0.44, 0.42, 0.06), at(0, 0, 0.42), surfaces.cloth(tone, rng, 0.03), seat, 0.3)


def shelf_of_books(place: Place, where: Point, length: float, rng: Rng) -> None:
    """A board on the far wall with upright books, some leaning."""
    x, y, z = where
    block(place, (length, 0.24, 0.025), (x, y, z), surfaces.paint("e7e2d8", rng))
    spines = ("7b2d26", "22577a", "e0b04a", "386641", "ede3cf", "4a3d5c", "1f1f24", "c97b63")
    at = x - length / 2 + 0.03
    while at < x + length / 2 - 0.22:
        thick, high = rng.uniform(0.018, 0.05), rng.uniform(0.19, 0.29)
        tone = rgb(spines[rng.integers(len(spines))])
        back = np.ascontiguousarray(np.full((300, 60, 3), tone))
        ink = rgb("f3ead3") if tone.mean() < 0.5 else rgb("3a2a20")
        textures.print_glyphs(back, (8, 60, 54, 200), 20, ink, rng)
        lean = turn("y", rng.uniform(8, 14)) if rng.random() < 0.12 else np.eye(3)
        sides = shapes.joined(list(shapes.box((thick, rng.uniform(0.14, 0.19), high)).values()))
        place.add(sides.moved(lean, (at + thick / 2, y, z + 0.026)), back, 0.5, 0.4)
        at += thick + 0.002 + (0.05 if lean[0, 0] < 1 else 0)


def potted_plant(place: Place, where: Point, radius: float, height: float, rng: Rng) -> None:
    """Bare earth in a plain pot and long arching leaves."""
    x, y, z = where
    r = radius
    pot = [(0, 0), (0.75 * r, 0), (r, 1.7 * r), (0.94 * r, 1.7 * r), (0.9 * r, 1.5 * r), (0, 1.5 * r)]
    vessel(place, pot, where, surfaces.paint("d8d5ce", rng), (0.4, 0.4), soft=False)
    blades = []
    for number in range(26):
        length = height * rng.uniform(0.55, 1.0)
        blade = shapes.leaf(length, 0.11 * length, rng.uniform(0.3, 0.8), 0.25)
        spin = turn("z", 137.5 * number) @ turn("y", -rng.uniform(45, 80))
        blades.append(blade.moved(spin, (x, y, z + 1.5 * r)))
    tone = rgb(("4c7a3a", "3f6f4a", "6d8f43")[rng.integers(3)])
    place.add(shapes.joined(blades), textures.leaf(tone, rng), 0.4, 0.45)


def waste_basket(place: Place, where: Point, rng: Rng) -> None:
    """Wires between two rings."""
    x, y, z = where
    angles = np.linspace(0, 2 * np.pi, 25)
    low, high = (np.stack([r * np.cos(angles), r * np.sin(angles)], -1) + (x, y) for r in (0.10, 0.14))
    ends = [((*a, z), (*b, z + 0.3)) for a, b in zip(low, high, strict=True)]
    for ring, level in ((low, z + 0.005), (high, z + 0.15), (high, z + 0.3)):
        ends += [((*a, level), (*b, level)) for a, b in zip(ring, ring[1:], strict=False)]
    rods(place, ends, 0.004, surfaces.paint("33363a", rng))


def door(place: Place, where: Point, tone: str, rng: Rng) -> None:
    """A panelled door in its frame, closed; `where` is the middle of its foot, on the far wall."""
    x, y, z = where
    cover = surfaces.paint(tone, rng)
    block(place, (0.84, 0.03, 2.0), (x, y - 0.02, z), cover)
    for low, high in ((0.15, 0.75), (1.0, 0.85)):
        block(place, (0.58, 0.012, high), (x, y - 0.04, z + low), surfaces.paint(tone, rng))
    for side in (-0.46, 0.46):
        block(place, (0.08, 0.06, 2.06), (x + side, y - 0.03, z), cover)
    block(place, (1.0, 0.06, 0.08), (x, y - 0.03, z + 2.0), cover)
    rods(
        place,
        [
            ((x + 0.36, y - 0.03, z + 1), (x + 0.36, y - 0.09, z + 1)),
            ((x + 0.36, y - 0.09, z + 1), (x + 0.24, y - 0.09, z + 1)),
        ],
        0.01,
        surfaces.paint("8d8b86", rng),
        (0.2, 0.8),
    )


def radiator(place: Place, where: Point, size: tuple[float, float], rng: Rng) -> None:
    """White columns between two pipes."""
    x, y, z = where
    wide, high = size
    columns = np.linspace(x - wide / 2, x + wide / 2, 16)
    white = surfaces.paint("f3f2ee", rng)
    for column in columns:
        pillow(place, (0.045, 0.09, high), (column, y, z), white, softness=0.3)
    pipes = [((x - wide / 2, y, z + level), (x + wide / 2, y, z + level)) for level in (0.06, high - 0.06)]
    pipes.append(((x + wide / 2, y, 0), (x + wide / 2, y, z + 0.06)))
    rods(place, pipes, 0.014, white)


def coat_hooks(place: Place, where: Point, rng: Rng) -> None:
    """A board with pegs, a scarf and a bag on two of them."""
    x, y, z = where
    block(place, (0.9, 0.02, 0.1), (x, y, z), textures.wood((80, 700), rgb("b08a5c"), rng))
    pegs = [((x + a, y, z + 0.05), (x + a, y - 0.07, z + 0.07)) for a in (-0.36, -0.12, 0.12, 0.36)]
    rods(place, pegs, 0.011, surfaces.paint("6a4a30", rng))
    scarf = surfaces.striped(("7a2f3a", "d9c7a0", "2f4f5a"), rng)
    for a, low in ((-0.14, 0.62), (-0.08, 0.45)):
        panel(place, (x + a - 0.06, y - 0.05, z + 0.06 - low), (0.1, -0.02, 0), (0, -0.015, low), scarf)
    pillow(
        place, (0.3, 0.1, 0.36), (x + 0.36, y - 0.07, z - 0.42), surfaces.cloth("4b5a43", rng), softness=0.4
    )
    strap = shapes.arc(np.array([x + 0.24, y - 0.07, z - 0.1]), np.array([x + 0.48, y - 0.07, z - 0.1]), 0.17)
    place.add(shapes.tube(strap, 0.008, end=1.0), surfaces.cloth("4b5a43", rng), 0.9, 0.1)


def shoes(place: Place, where: Point, rng: Rng) -> None:
    """Two pairs on a mat."""
    x, y, z = where
    panel(
        place, (x - 0.4, y - 0.25, z + 0.008), (0.8, 0, 0), (0, 0.45, 0), surfaces.cloth("6b5d4c", rng, 0.12)
    )
    for number, a in enumerate((-0.25, -0.12, 0.12, 0.25)):
        tone = ("2c2622", "8a5a3c")[number // 2]
        spin = turn("z", rng.uniform(-12, 12))
        leather = surfaces.paint(tone, rng, 0.03)
        place_at = np.array([x + a, y - 0.02, z + 0.01])
        pillow(place, (0.1, 0.28, 0.07), place_at, leather, spin, 0.55)
        pillow(place, (0.09, 0.13, 0.13), place_at + spin @ np.array([0, 0.07, 0]), leather, spin, 0.6)


def umbrella_stand(place: Place, where: Point, rng: Rng) -> None:
    """A tall can with two umbrellas."""
    x, y, z = where
    can = [(0, 0), (0.11, 0), (0.12, 0.5), (0.11, 0.5), (0.1, 0.02), (0, 0.02)]
    vessel(place, can, where, surfaces.paint("5c6b74", rng), (0.3, 0.6), soft=False)
    for tone, lean in (("262a33", 0.06), ("7d3340", -0.05)):
        folded = [(0.01, 0), (0.035, 0.2), (0.02, 0.6), (0.008, 0.62), (0.008, 0.75), (0, 0.75)]
        mesh = shapes.turned(folded).moved(turn("y", 60 * lean), (x - lean / 2, y, z + 0.03))
        place.add(mesh, surfaces.cloth(tone, rng, 0.03), 0.7, 0.2)
