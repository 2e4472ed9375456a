"""Places under the sky with thin things before a wall: a house front, a garden, a terrace.

Metres, z up; walls at y > 0, cameras at y < 0.
"""

from collections.abc import Callable

import numpy as np
import sample_textures as textures
from sample_place import Place, sky
from sample_textures import rgb

from stages import household, lumber, surfaces
from stages.parts import block, panel, rods, vessel

Rng = np.random.Generator


def facade(place: Place, rng: Rng) -> None:
    """A rendered house front: windows with shutters, downpipe, bins, an iron railing before it."""
    place.things["sky"] = sky()
    paving, _ = textures.flagstones((1600, 2400), 130, rng)
    panel(place, (-5, -4, 0), (10, 0, 0), (0, 6, 0), paving)
    panel(place, (-5, 1.6, 0), (10, 0, 0), (0, 0, 5), surfaces.render_coat("d9c39a", rng))
    block(place, (10, 0.05, 0.5), (0, 1.59, 0), surfaces.paint("8d857a", rng, 0.03))
    for x in (-1.25, 0.75):
        block(place, (0.8, 0.06, 1.15), (x, 1.58, 1.0), surfaces.paint("f0eee8", rng))
        for a, b in ((-0.19, 1.07), (0.19, 1.07), (-0.19, 1.62), (0.19, 1.62)):
            block(
                place,
                (0.32, 0.02, 0.46),
                (x + a, 1.545, b),
                surfaces.paint("39434b", rng, 0.02),
                gloss=(0.08, 0.6),
            )
        for side in (-0.62, 0.62):
            block(place, (0.4, 0.04, 1.15), (x + side, 1.56, 1.0), surfaces.paint("4f7365", rng))
            for level in np.arange(1.06, 2.1, 0.075):
                block(place, (0.32, 0.03, 0.02), (x + side, 1.535, level), surfaces.paint("47695d", rng))
        block(place, (0.95, 0.16, 0.05), (x, 1.54, 0.95), surfaces.paint("bdb6aa", rng))
    rods(place, [((1.95, 1.52, 0), (1.95, 1.52, 5))], 0.04, surfaces.paint("7f8584", rng), (0.3, 0.6))
    lumber.railing(place, (-2.6, 0.3, 0), 5.2, 0.9, "23282a", rng)
    for x, tone in ((-0.35, "3f4a3c"), (0.0, "5a3a2e")):
        block(
            place, (0.3, 0.3, 0.75), (x, 1.25, 0), surfaces.paint(tone, rng), rng.uniform(-8, 8), (0.4, 0.4)
        )
        block(place, (0.33, 0.34, 0.04), (x, 1.25, 0.75), surfaces.paint(tone, rng))
    household.potted_plant(place, (-2.1, 1.2, 0), 0.17, 0.6, rng)


def garden(place: Place, rng: Rng) -> None:
    """A lawn before a shed of boards: fence, bench, shrubs, standing grass."""
    place.things["sky"] = sky()
    panel(place, (-6, -4, 0), (12, 0, 0), (0, 9, 0), surfaces.lawn(rng))
    panel(
        place,
        (-7, 4.5, 0),
        (14, 0, 0),
        (0, 0, 1.9),
        textures.dead_leaves(
            (400, 1600), (4, 60), [rgb(c) for c in ("3f5a2c", "52703a", "2f4726", "6b8446")], rng
        ),
    )
    x = -1.9
    while x < 1.6:
        plank = np.ascontiguousarray(
            np.rot90(textures.wood((150, 900), rgb(("7d6a54", "8a765c")[rng.integers(2)]), rng))
        )
        block(place, (0.15, 0.03, 2.0), (x, 2.2 + rng.uniform(-0.006, 0.006), 0), plank)
        x += 0.155
    block(place, (0.8, 0.05, 0.6), (0.6, 2.17, 1.05), surfaces.paint("efece4", rng))
    block(place, (0.7, 0.02, 0.5), (0.6, 2.14, 1.1), surfaces.paint("2f3a40", rng, 0.02), gloss=(0.08, 0.6))
    lumber.picket_fence(place, (-2.6, 0.75, 0), 1.9, "e9e6dd", rng)
    lumber.bench(place, (0.5, 1.2, 0), rng, rng.uniform(-12, 12))
    for where, radius, tones in (
        ((-1.2, 1.5, 0), 0.8, ("4b7038", "6b7d3a")),
        ((1.75, 1.4, 0), 0.7, ("7d9a4f", "a06a72")),
        ((-0.55, 0.5, 0), 0.4, ("5f8f43", "c9a23a")),
    ):
        lumber.shrub(place, where, radius, tones, rng)
    lumber.grass(place, (-1.8, -0.2, 0), (3.6, 0.6), 700, rng)
    rods(place, [((1.15, 0.35, 0), (1.25, 0.5, 1.25))], 0.014, textures.wood((64, 256), rgb("a07a50"), rng))


def terrace(place: Place, rng: Rng) -> None:
    """A white house wall with a trellis and climber, chairs at a table, washing on a line."""
    place.things["sky"] = sky()
    panel(place, (-5, -4, 0), (10, 0, 0), (0, 6, 0), surfaces.tiles("b79a7c", rng, 34, 20))
    panel(place, (-5, 1.9, 0), (10, 0, 0), (0, 0, 4), surfaces.render_coat("e9e6df", rng))
    bars = [((a, 1.84, 0.2), (a, 1.84, 2.3)) for a in np.arange(-1.9, -0.6, 0.2)]
    bars += [((-1.95, 1.83, b), (-0.65, 1.83, b)) for b in np.arange(0.3, 2.3, 0.2)]
    rods(place, bars, 0.008, surfaces.paint("7a5a3c", rng))
    for x, z in ((-1.6, 0.5), (-1.2, 0.9), (-1.0, 1.5)):
        lumber.shrub(place, (x, 1.8, z), 0.35, ("4c7a3a", "5f8f43"), rng, leaves=130)
    household.door(place, (0.35, 1.89, 0), "5c7c8a", rng)
    top = [(0, 0), (0.38, 0), (0.38, 0.02), (0, 0.02)]
    vessel(place, top, (-0.1, 0.55, 0.7), surfaces.paint("e7e5df", rng), (0.3, 0.5), soft=False)
    legs = [
        ((-0.1 + a, 0.55 + b, 0), (-0.1 - 0.4 * a, 0.55 - 0.4 * b, 0.7))
        for a, b in ((0.25, 0.1), (-0.25, 0.1), (0, -0.27))
    ]
    rods(place, legs, 0.012, surfaces.paint("e7e5df", rng))
    household.chair(place, (-0.75, 0.5, 0), "a33b32", rng, yaw=rng.uniform(75, 100))
    household.chair(place, (0.55, 0.7, 0), "a33b32", rng, yaw=rng.uniform(-90, -60))
    lumber.washing_line(place, (0.75, 1.25, 1.75), (2.4, 1.1, 1.75), rng)
    household.potted_plant(place, (1.15, 1.55, 0), 0.18, 0.7, rng)


YARDS: dict[str, Callable[[Place, Rng], None]] = {"facade": facade, "garden": garden, "terrace": terrace}
