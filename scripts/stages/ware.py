"""Things on tables and worktops: pots, fruit, tins, solids; each stands on `where`. Metres, z up."""

import numpy as np
import sample_shapes as shapes
import sample_textures as textures
from sample_place import Place
from sample_shapes import turn
from sample_textures import rgb

from stages import surfaces
from stages.parts import Point, block, rods, vessel

Rng = np.random.Generator
Profile = list[tuple[float, float]]

VASE: Profile = [
    (0, 0),
    (0.05, 0),
    (0.09, 0.06),
    (0.10, 0.14),
    (0.06, 0.24),
    (0.035, 0.30),
    (0.05, 0.34),
    (0.045, 0.34),
]
BOTTLE: Profile = [
    (0, 0),
    (0.038, 0),
    (0.04, 0.02),
    (0.04, 0.17),
    (0.016, 0.22),
    (0.014, 0.28),
    (0.016, 0.29),
    (0, 0.29),
]
JUG: Profile = [(0, 0), (0.06, 0), (0.08, 0.08), (0.07, 0.15), (0.045, 0.2), (0.06, 0.24), (0.055, 0.24)]
BOWL: Profile = [(0, 0), (0.05, 0), (0.10, 0.035), (0.14, 0.085), (0.135, 0.087), (0.09, 0.04), (0, 0.015)]
PLATE: Profile = [(0, 0), (0.07, 0), (0.12, 0.015), (0.118, 0.02), (0.07, 0.006), (0, 0.006)]
TIN: Profile = [(0, 0), (0.037, 0), (0.037, 0.108), (0.034, 0.11), (0.032, 0.105), (0, 0.105)]
POT: Profile = [
    (0, 0),
    (0.10, 0),
    (0.11, 0.01),
    (0.11, 0.13),
    (0.115, 0.135),
    (0.10, 0.15),
    (0.03, 0.165),
    (0.012, 0.185),
    (0, 0.19),
]

GLAZED = (0.12, 0.6)
MATT = (0.95, 0.1)


def turned(
    place: Place, profile: Profile, where: Point, cover: np.ndarray, gloss: tuple, scale: float = 1.0
) -> None:
    """A vessel of a profile, enlarged by `scale`."""
    vessel(place, [(scale * r, scale * z) for r, z in profile], where, cover, gloss)


def fruit(place: Place, where: Point, size: float, tone: str, rng: Rng) -> None:
    """A slightly uneven ball with speckles and a waxy shine."""
    body = shapes.stone((size, size, 0.92 * size), rng, 0.012)
    skin = textures.shade(np.full((256, 512, 3), rgb(tone)), 0.06 * textures.noise((256, 512), 50, rng, 5))
    x, y, z = where
    place.add(body.moved(turn("x", rng.uniform(-40, 40)), (x, y, z + 0.9 * size)), skin, 0.3, 0.5)


def labelled_tin(place: Place, where: Point, scale: float, rng: Rng) -> None:
    papers = ("e8d8a8", "c9dbe0", "e3b7a0", "f0f0ea")
    label = textures.page((300, 620), rgb(papers[rng.integers(4)]), rgb("7a2222"), rng)
    turned(place, TIN, where, label, (0.3, 0.5), scale)


def steel_pot(place: Place, where: Point, scale: float, rng: Rng) -> None:
    """A pot with lid and two handles, of brushed metal."""
    x, y, z = where
    mesh = shapes.turned(shapes.smooth([(scale * r, scale * h) for r, h in POT]))
    steel = surfaces.paint("c3c6c8", rng, 0.01)
    place.add(mesh.moved(np.eye(3), (x, y, z)), steel, 0.28, 0.5, metallic=1.0)
    for side in (-1, 1):
        a, b = (
            np.array([x + side * 0.1 * scale, y - 0.03, z + 0.1 * scale]),
            np.array([x + side * 0.1 * scale, y + 0.03, z + 0.1 * scale]),
        )
        bow = shapes.arc(a, b, 0)
        bow[:, 0] += side * 0.04 * np.sin(np.linspace(0, np.pi, len(bow)))
        place.add(shapes.tube(bow, 0.006, end=1.0), steel, 0.28, 0.5, metallic=1.0)


def solid(place: Place, kind: int, where: Point, size: float, tone: str, rng: Rng) -> None:
    """A matt cone, cube, ball, cylinder, prism or ring of plaster."""
    cover, s = surfaces.paint(tone, rng, 0.008), size
    x, y, z = where
    if kind == 0:
        vessel(place, [(0, 0), (s, 0), (0, 2.4 * s)], where, cover, MATT, soft=False)
    elif kind == 1:
        block(place, (1.6 * s, 1.6 * s, 1.6 * s), where, cover, rng.uniform(15, 75), MATT)
    elif kind == 2:
        ball = shapes.stone((s, s, s), rng, 0.0)
        place.add(ball.moved(np.eye(3), (x, y, z + s)), cover, *MATT)
    elif kind == 3:
        vessel(
            place, [(0, 0), (0.7 * s, 0), (0.7 * s, 2.6 * s), (0, 2.6 * s)], where, cover, MATT, soft=False
        )
    else:
        angle = np.linspace(0, 2 * np.pi, 60)[:, None]
        ring = np.array([x, y, z + 1.15 * s]) + 0.85 * s * np.concatenate(
            [np.cos(angle), 0.3 * np.cos(angle), np.sin(angle)], 1
        )
        place.add(shapes.tube(ring, 0.28 * s, 24, end=1.0), cover, *MATT)


def worktop_things(place: Place, level: float, rng: Rng) -> None:
    """What stands along a kitchen's worktop at height `level`."""
    fronts = rng.uniform(1.12, 1.28, 8)
    steel_pot(place, (-0.95, fronts[0], level), 1.0, rng)
    turned(place, BOTTLE, (-0.55, fronts[1], level), surfaces.paint("3c5a3a", rng), GLAZED, 1.1)
    turned(place, BOTTLE, (-0.43, fronts[2] + 0.05, level), surfaces.paint("8a6a2a", rng), GLAZED, 0.95)
    turned(place, BOWL, (-0.05, fronts[3], level), surfaces.paint("dfe5e8", rng), GLAZED, 1.1)
    for a, b, lift, tone in (
        (-0.05, 0, 0.03, "d9a32f"),
        (0.03, 0.04, 0.035, "c7402f"),
        (-0.09, 0.05, 0.04, "9db33f"),
    ):
        fruit(place, (a, fronts[3] + b, level + lift), 0.04, tone, rng)
    turned(place, JUG, (0.42, fronts[4], level), surfaces.paint("f1ede3", rng), GLAZED)
    for x, y in ((0.75, fronts[5]), (0.86, fronts[6])):
        labelled_tin(place, (x, y, level), 1.0, rng)
    block(place, (0.34, 0.02, 0.24), (1.25, 1.5, level), textures.wood((200, 400), rgb("b98a56"), rng))
    rods(place, [((1.5, 1.25, level), (1.5, 1.25, level + 0.3))], 0.009, surfaces.paint("9a7a55", rng))
    turned(
        place,
        [(0, 0), (0.07, 0), (0.07, 0.015), (0, 0.015)],
        (1.5, 1.25, level),
        surfaces.paint("9a7a55", rng),
        MATT,
    )
