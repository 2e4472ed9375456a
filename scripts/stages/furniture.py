"""Furniture: each piece stands on `where`, its back to the far wall (+y). Metres, z up."""

import numpy as np
import sample_shapes as shapes
import sample_textures as textures
from sample_place import Place
from sample_shapes import turn
from sample_textures import rgb

from stages import surfaces
from stages.parts import Point, block, panel, pillow, rods, vessel
from stages.shell import LAMPLIGHT

Rng = np.random.Generator


def sofa(place: Place, where: Point, tones: tuple[str, str, str], rng: Rng) -> None:
    """Two seats, arms and back in the first tone, loose cushions in the others."""
    x, y, z = where
    cover = surfaces.cloth(tones[0], rng, 0.03)
    block(place, (1.75, 0.8, 0.16), (x, y, z + 0.1), cover, gloss=(0.95, 0.1))
    for side in (-0.42, 0.42):
        pillow(place, (0.84, 0.72, 0.2), (x + side, y - 0.06, z + 0.24), cover)
        pillow(place, (0.84, 0.55, 0.2), (x + side, y + 0.40, z + 0.40), cover, turn("x", 75))
    for side in (-0.96, 0.96):
        pillow(place, (0.2, 0.84, 0.5), (x + side, y, z + 0.1), cover)
    for side, tone, lean in ((-0.62, tones[1], 14), (0.55, tones[2], -9), (0.1, tones[1], 4)):
        yawed = turn("y", lean) @ turn("x", 62 + rng.uniform(-6, 6))
        pillow(
            place, (0.42, 0.42, 0.13), (x + side, y + 0.22, z + 0.42), surfaces.cloth(tone, rng), yawed, 0.55
        )
    feet = [((x + a, y + b, z), (x + a, y + b, z + 0.12)) for a in (-0.8, 0.8) for b in (-0.34, 0.34)]
    rods(place, feet, 0.02, surfaces.paint("3a2a20", rng))


def low_table(place: Place, where: Point, tone: str, rng: Rng) -> None:
    """A round top on three legs, with a bowl and a book."""
    x, y, z = where
    top = [(0, 0), (0.40, 0), (0.41, 0.012), (0.40, 0.025), (0, 0.025)]
    vessel(place, top, (x, y, z + 0.38), surfaces.paint(tone, rng, 0.03), (0.3, 0.5), soft=False)
    legs = []
    for angle in np.radians([20, 140, 260]):
        foot, head = (
            np.array([np.cos(angle), np.sin(angle)]) * 0.36,
            np.array([np.cos(angle), np.sin(angle)]) * 0.2,
        )
        legs.append(((x + foot[0], y + foot[1], z), (x + head[0], y + head[1], z + 0.385)))
    rods(place, legs, 0.014, surfaces.paint(tone, rng))
    bowl = [(0, 0), (0.05, 0), (0.11, 0.05), (0.14, 0.09), (0.135, 0.09), (0.1, 0.05), (0, 0.015)]
    vessel(place, bowl, (x - 0.12, y + 0.06, z + 0.405), surfaces.paint("e9e4da", rng), (0.15, 0.5))
    cover = textures.page((500, 360), rgb("c9603e"), rgb("f3ead3"), rng)
    block(place, (0.17, 0.24, 0.025), (x + 0.16, y - 0.05, z + 0.405), cover, rng.uniform(-30, 30))


def floor_lamp(place: Place, where: Point, tone: str, rng: Rng) -> None:
    """A thin pole with a lit shade."""
    x, y, z = where
    foot = [(0, 0), (0.14, 0), (0.14, 0.015), (0.02, 0.03), (0, 0.03)]
    metal = surfaces.paint("46433f", rng)
    vessel(place, foot, (x, y, z), metal, soft=False)
    rods(place, [((x, y, z + 0.02), (x, y, z + 1.45))], 0.011, metal)
    _lit_shade(place, (x, y, z + 1.35), (0.20, 0.14, 0.28), tone)


def table_lamp(place: Place, where: Point, tone: str, rng: Rng) -> None:
    x, y, z = where
    foot = [(0, 0), (0.07, 0), (0.075, 0.02), (0.05, 0.06), (0.06, 0.12), (0.02, 0.18), (0, 0.18)]
    vessel(place, foot, where, surfaces.paint("6f8a8f", rng), (0.15, 0.5))
    _lit_shade(place, (x, y, z + 0.2), (0.14, 0.09, 0.18), tone)


def _lit_shade(place: Place, where: Point, measures: tuple[float, float, float], tone: str) -> None:
    """The lamp's shade (radius below, above, height) is the light: a surface that glows evenly."""
    below, above, high = measures
    mesh = shapes.turned([(below, 0.0), (above, high)])
    place.add_light(mesh.moved(np.eye(3), np.asarray(where)), 1.6 * LAMPLIGHT * rgb(tone) ** 2)


def picture(place: Place, where: Point, size: tuple[float, float], rng: Rng) -> None:
    """A framed print on the far wall, `where` its lower left corner."""
    x, y, z = where
    wide, high = size
    tones = [rng.uniform(0.15, 0.9, 3).astype(np.float32) for _ in range(6)]
    art = textures.dead_leaves((int(700 * high), int(700 * wide)), (8, 120), tones, rng)
    panel(place, (x, y - 0.022, z), (wide, 0, 0), (0, 0, high), art, (0.3, 0.4))
    wood = surfaces.paint("2d2926", rng)
    for a in (x, x + wide):
        block(place, (0.03, 0.03, high + 0.03), (a, y - 0.015, z - 0.015), wood)
    for b in (z - 0.015, z + high - 0.015):
        block(place, (wide, 0.03, 0.03), (x + wide / 2, y - 0.015, b), wood)


def bed(place: Place, where: Point, tones: tuple[str, str, str], rng: Rng) -> None:
    """A bed along y with its head at the far wall: mattress and pillows, a duvet with folds."""
    x, y, z = where
    block(place, (1.5, 2.0, 0.22), (x, y + 0.05, z + 0.08), surfaces.paint("b9a58a", rng, 0.02))
    block(place, (1.6, 0.06, 0.95), (x, y + 1.1, z), surfaces.cloth(tones[1], rng, 0.02), gloss=(0.95, 0.1))
    pillow(
        place, (1.46, 1.96, 0.26), (x, y + 0.05, z + 0.26), surfaces.cloth(tones[0], rng, 0.015), softness=0.2
    )
    height = textures.noise((90, 90), 55, rng, 3)
    edge = np.linspace(-1, 1, 90)
    drop = np.maximum(np.abs(edge) - 0.80, 0)[None] * 9
    fall = np.maximum(-edge - 0.86, 0)[:, None] * 9
    duvet = shapes.sheet(
        np.array([x - 0.86, y - 1.08, z + 0.58]),
        np.array([1.72, 0, 0]),
        np.array([0, 1.5, 0]),
        height - 12 * (drop + fall[::-1]),
        0.018,
    )
    place.add(duvet, surfaces.cloth(tones[2], rng, 0.015), 0.95, 0.1)
    for side in (-0.36, 0.36):
        yawed = turn("z", rng.uniform(-8, 8)) @ turn("x", 28)
        pillow(
            place,
            (0.62, 0.42, 0.16),
            (x + side, y + 0.78, z + 0.5),
            surfaces.cloth(tones[0], rng, 0.015),
            yawed,
            0.5,
        )


def cupboard(
    place: Place, where: Point, size: tuple[float, float, float], drawers: int, tone: str, rng: Rng
) -> None:
    """A plain carcass with `drawers` fronts, one above the other, and a bar handle on each."""
    x, y, z = where
    wide, deep, high = size
    block(place, (wide, deep, high), (x, y, z), surfaces.paint(tone, rng))
    gap, each = 0.006, high / drawers
    handles = []
    for number in range(drawers):
        low = z + number * each + gap
        front = y - deep / 2 - 0.01
        block(
            place,
            (wide - 2 * gap, 0.018, each - 2 * gap),
            (x, front, low),
            surfaces.paint(tone, rng),
            gloss=(0.35, 0.4),
        )
        at = low + 0.75 * each
        handles.append(((x - 0.07, front - 0.03, at), (x + 0.07, front - 0.03, at)))
        handles += [((x + a, front, at), (x + a, front - 0.03, at)) for a in (-0.065, 0.065)]
    rods(place, handles, 0.006, surfaces.paint("a7a7a5", rng), (0.25, 0.8))
