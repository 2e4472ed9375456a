"""Still lifes: things on a table before a plain wall, some glossy, some without any texture.

Metres; the table's top is z = 0, the wall behind it at y = 0.62, daylight comes from the left.
"""

from collections.abc import Callable

import numpy as np
import sample_shapes as shapes
import sample_textures as textures
from sample_place import Place
from sample_textures import rgb

from stages import surfaces, ware
from stages.parts import FLAT, block, panel
from stages.shell import DAYLIGHT, LAMPLIGHT

Array = np.ndarray
Rng = np.random.Generator

WALL_Y = 0.62


def _set_up(place: Place, wall: str, top: Array, rng: Rng, gloss: tuple = (0.6, 0.3)) -> None:
    """Wall, table top, a wide window and a soft lamp above."""
    panel(place, (-2.5, WALL_Y, -1), (5, 0, 0), (0, 0, 3), surfaces.paint(wall, rng))
    block(place, (1.7, 1.0, 0.035), (0, 0.05, -0.035), top, gloss=gloss)
    panel(place, (-2.5, -2.5, -0.75), (5, 0, 0), (0, 3.2, 0), surfaces.paint("6f675d", rng))
    for corner, across, up, radiance in (
        ((-1.8, -0.8, -0.1), (0, 1.2, 0), (0, 0, 1.2), 6.5 * DAYLIGHT),
        ((-0.2, 0.0, 1.9), (0.9, 0, 0), (0, -0.9, 0), 1.6 * LAMPLIGHT),
    ):
        place.add_light(shapes.sheet(np.array(corner), np.array(across), np.array(up), FLAT, 0), radiance)
    place.things["around"] = {"type": "constant", "radiance": 0.25}


def ceramics(place: Place, rng: Rng) -> None:
    """Glazed ware and fruit on linen."""
    _set_up(place, "a9b3b0", surfaces.cloth("d9cfbd", rng, 0.03), rng)
    ware.turned(place, ware.VASE, (-0.32, 0.25, 0), textures.glaze((512, 1024), rng), ware.GLAZED, 1.15)
    ware.turned(place, ware.JUG, (0.05, 0.22, 0), surfaces.paint("2f5f6b", rng), ware.GLAZED, 1.2)
    ware.turned(place, ware.VASE, (0.42, 0.28, 0), surfaces.paint("e6e1d6", rng), ware.GLAZED, 0.9)
    ware.turned(place, ware.BOWL, (0.22, -0.05, 0), surfaces.paint("b0533a", rng), ware.GLAZED)
    ware.turned(place, ware.PLATE, (-0.2, -0.08, 0), surfaces.paint("efece4", rng), ware.GLAZED, 1.1)
    for x, y, z, tone in (
        (0.19, -0.07, 0.03, "d98f2f"), (0.27, -0.04, 0.035, "d9a32f"), (-0.24, -0.08, 0.01, "9c2f2f"),
        (-0.15, -0.05, 0.01, "8a9b3a"), (0.0, -0.18, 0, "d98f2f"),
    ):  # fmt: skip
        ware.fruit(place, (x, y, z), rng.uniform(0.034, 0.042), tone, rng)


def plaster(place: Place, rng: Rng) -> None:
    """A drawing class's solids: nothing but shape and shade."""
    _set_up(place, "cdc6ba", surfaces.paint("8f8a83", rng, 0.01), rng)
    drape = textures.noise((80, 120), 45, rng, 3)
    sheet = shapes.sheet(
        np.array([-0.75, 0.3, 0.02]), np.array([1.5, 0, 0]), np.array([0, 0.18, 0.75]), drape, 0.02
    )
    place.add(sheet, surfaces.cloth("b7a58f", rng, 0.012), 0.95, 0.1)
    spots = (
        (-0.42, 0.1),
        (-0.15, 0.16),
        (0.14, 0.12),
        (0.42, 0.14),
        (-0.26, -0.14),
        (0.05, -0.12),
        (0.33, -0.16),
    )
    for number, (x, y) in enumerate(spots):
        x, y = x + rng.uniform(-0.03, 0.03), y + rng.uniform(-0.03, 0.03)
        tone = ("e9e6df", "dcd7cc", "c8c0b2")[number % 3]
        ware.solid(place, number % 5, (x, y, 0), rng.uniform(0.065, 0.09), tone, rng)


def pantry(place: Place, rng: Rng) -> None:
    """Steel pots, tins, bottles and a loaf on a glossy dark top."""
    _set_up(place, "71807d", surfaces.paint("3b3029", rng, 0.03), rng, (0.2, 0.5))
    ware.steel_pot(place, (-0.35, 0.15, 0), 1.15, rng)
    ware.steel_pot(place, (0.40, 0.22, 0), 0.85, rng)
    for x, y, scale in ((-0.08, 0.22, 1.1), (0.06, 0.3, 1.1), (-0.02, 0.27, 0.0), (0.12, 0.0, 0.9)):
        if scale:
            ware.labelled_tin(place, (x, y, 0), scale, rng)
    for x, y, tone in ((0.2, 0.25, "2f4a33"), (-0.52, 0.32, "6a3a22")):
        ware.turned(place, ware.BOTTLE, (x, y, 0), surfaces.paint(tone, rng), ware.GLAZED, 1.1)
    block(place, (0.42, 0.26, 0.02), (0.32, -0.12, 0), textures.wood((300, 480), rgb("b98a56"), rng), 12)
    loaf = shapes.stone((0.14, 0.07, 0.06), rng, 0.02)
    crust = textures.shade(
        np.full((256, 512, 3), rgb("b27a42")), 0.16 * textures.noise((256, 512), 40, rng, 6)
    )
    place.add(loaf.moved(np.eye(3), (0.31, -0.11, 0.07)), crust, 0.8, 0.2)
    for x, y in ((-0.2, -0.14), (-0.11, -0.17), (-0.16, -0.06)):
        ware.fruit(place, (x, y, 0), rng.uniform(0.032, 0.04), "b23a2a", rng)


TABLES: dict[str, Callable[[Place, Rng], None]] = {"ceramics": ceramics, "plaster": plaster, "pantry": pantry}
