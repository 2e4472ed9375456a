"""Rooms with plain painted walls: what is in each, and where its light comes from.

Metres, z up; the far wall is at y > 0, the cameras stand before it at y < 0. A recipe draws its measures,
colours and places from the generator it is given.
"""

from collections.abc import Callable

import numpy as np
from sample_place import Place

from stages import furniture, household, lumber, surfaces, ware
from stages.parts import block, curtain, panel, pillow, rods, vessel
from stages.shell import Room, ceiling_lamp, shell, window

Rng = np.random.Generator


def living_room(place: Place, rng: Rng) -> None:
    """A sofa with cushions on a rug, a floor lamp, a picture."""
    room = Room(4.6, 2.0, 2.4, 2.5)
    shell(place, room, ("dcd3c4", "c9cfc6"), surfaces.boards("b58f66", rng), rng)
    window(place, room, "left", rng.uniform(-0.6, -0.2), (1.5, 1.4), rng)
    ceiling_lamp(place, room, 3.0)
    furniture.sofa(place, (rng.uniform(-0.2, 0.2), 1.35, 0), ("5d7480", "c7a24a", "d8d0c4"), rng)
    rug = surfaces.striped(("a3493b", "e4dac4", "37506b", "d1a75c"), rng)
    panel(place, (-1.2, -0.5, 0.012), (2.4, 0, 0), (0, 1.3, 0), rug)
    furniture.low_table(place, (0.1, 0.15, 0), "6b4a33", rng)
    furniture.floor_lamp(place, (1.45, 1.45, 0), "efe6d2", rng)
    furniture.picture(place, (rng.uniform(-0.7, -0.3), 1.98, 1.35), (0.8, 0.55), rng)
    household.potted_plant(place, (-1.75, 1.5, 0), 0.16, 0.8, rng)


def bedroom(place: Place, rng: Rng) -> None:
    """A made bed against a plain wall, bedside table with a lamp, a curtain."""
    room = Room(4.0, 1.9, 2.6, 2.5)
    shell(place, room, ("b9c4cf", "d9dbd8"), surfaces.paint("a9a195", rng, 0.012), rng)
    window(place, room, "right", -0.3, (1.3, 1.3), rng)
    ceiling_lamp(place, room, 2.2)
    furniture.bed(place, (rng.uniform(-0.3, 0.0), 0.75, 0), ("e8e4dc", "8b6f8d", "cfd8dc"), rng)
    furniture.cupboard(place, (1.25, 1.6, 0), (0.5, 0.45, 0.55), 1, "e2ddd2", rng)
    furniture.table_lamp(place, (1.25, 1.6, 0.55), "f2dfba", rng)
    block(place, (0.19, 0.13, 0.03), (1.1, 1.5, 0.55), surfaces.paint("30475e", rng), yaw=25)
    curtain(place, (-1.98, 1.78, 0.05), 0.75, 2.3, surfaces.cloth("7c8c6c", rng), 6)


def study(place: Place, rng: Rng) -> None:
    """A desk with screen and chair under a shelf of books, on a carpet."""
    room = Room(3.8, 1.7, 2.5, 2.5)
    shell(place, room, ("e3dfd5", "8f9f93"), surfaces.cloth("77736d", rng), rng)
    window(place, room, "left", -0.5, (1.4, 1.3), rng)
    ceiling_lamp(place, room, 2.8)
    household.desk(place, (rng.uniform(-0.25, 0.1), 1.3, 0), "c8b08c", rng)
    household.chair(place, (0.1, 0.65, 0), "4a4d52", rng, yaw=rng.uniform(140, 215))
    household.shelf_of_books(place, (0.35, 1.58, 1.35), 1.1, rng)
    household.waste_basket(place, (1.15, 1.25, 0), rng)
    furniture.cupboard(place, (-1.5, 1.4, 0), (0.6, 0.5, 1.15), 3, "d9d3c7", rng)
    household.potted_plant(place, (-1.5, 1.4, 1.15), 0.10, 0.4, rng)


def hall(place: Place, rng: Rng) -> None:
    """Doors, a radiator, coat hooks and little else: nearly all of it is paint."""
    room = Room(3.2, 1.8, 2.8, 2.6)
    shell(place, room, ("d5cdb8", "c2b9a5"), surfaces.tiles("9fa39b", rng, 8, 11), rng)
    ceiling_lamp(place, room, 4.5)
    household.door(place, (rng.uniform(-0.95, -0.75), 1.79, 0), "efece4", rng)
    household.radiator(place, (0.65, 1.7, 0.15), (0.9, 0.6), rng)
    household.coat_hooks(place, (0.65, 1.78, 1.65), rng)
    household.shoes(place, (-0.05, 1.45, 0), rng)
    household.umbrella_stand(place, (1.35, 1.5, 0), rng)
    block(place, (0.06, 0.02, 0.09), (0.02, 1.79, 1.1), surfaces.paint("f3f1ec", rng))


def kitchen(place: Place, rng: Rng) -> None:
    """Plain cupboard doors, a strip of tiles, ware on the worktop."""
    room = Room(4.0, 1.6, 2.6, 2.5)
    shell(place, room, ("e8e2d4", "d7dccf"), surfaces.tiles("b07a5a", rng, 14, 14), rng)
    window(place, room, "left", -0.2, (1.3, 1.1), rng)
    ceiling_lamp(place, room, 3.0)
    for number, x in enumerate((-1.35, -0.75, -0.15, 0.45, 1.05, 1.65)):
        furniture.cupboard(place, (x, 1.28, 0.1), (0.6, 0.6, 0.76), 1 + number % 2 * 2, "7f9489", rng)
    block(place, (3.9, 0.64, 0.04), (0, 1.27, 0.86), surfaces.paint("4d4640", rng, 0.03), gloss=(0.25, 0.5))
    panel(
        place, (-1.95, 1.585, 0.9), (3.9, 0, 0), (0, 0, 0.5), surfaces.tiles("f0ece2", rng, 26, 3), (0.2, 0.5)
    )
    for x in (-1.2, 1.1):
        furniture.cupboard(place, (x, 1.42, 1.5), (0.8, 0.34, 0.65), 1, "7f9489", rng)
    ware.worktop_things(place, 0.90, rng)


def attic(place: Place, rng: Rng) -> None:
    """A bare white room under a slope, with a ladder, boxes and a bucket of paint."""
    room = Room(4.2, 2.1, 2.4, 2.9)
    shell(place, room, ("ebe9e4", "e4e1da"), surfaces.boards("c7ab86", rng, 18), rng)
    panel(
        place, (-2.1, 2.15, 1.5), (4.2, 0, 0), (0, -1.75, 1.4), surfaces.paint("eae7e1", rng)
    )  # the slope above the far wall
    window(place, room, "right", -0.1, (1.3, 1.2), rng)
    ceiling_lamp(place, room, 2.0)
    lumber.ladder(place, (rng.uniform(-1.2, -0.9), 1.1, 0), 1.7, rng)
    lumber.removal_boxes(place, (0.75, 1.3, 0), rng)
    bucket = [(0, 0), (0.11, 0), (0.14, 0.27), (0.145, 0.27), (0.14, 0.255), (0.1, 0.24), (0, 0.24)]
    vessel(place, bucket, (-0.15, 0.7, 0), surfaces.paint("f4f4f2", rng), soft=False)
    rods(place, [((-0.12, 0.62, 0.1), (0.02, 0.75, 0.62))], 0.012, surfaces.paint("b3874f", rng))
    pillow(place, (0.7, 0.5, 0.1), (1.35, 0.55, 0), surfaces.cloth("c9c2b2", rng), softness=0.6)


ROOMS: dict[str, Callable[[Place, Rng], None]] = {
    "living": living_room,
    "bedroom": bedroom,
    "study": study,
    "hall": hall,
    "kitchen": kitchen,
    "attic": attic,
}
