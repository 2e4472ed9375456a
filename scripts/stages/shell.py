"""The shell of a room and its light: walls, floor, ceiling, skirting, a window, a lamp on the ceiling."""

from typing import Literal, NamedTuple

import numpy as np
import sample_shapes as shapes
from sample_place import Place

from stages import surfaces
from stages.parts import FLAT, block, panel

Array = np.ndarray
Rng = np.random.Generator

DAYLIGHT = np.array([0.92, 1.0, 1.12])
LAMPLIGHT = np.array([1.0, 0.86, 0.66])


class Room(NamedTuple):
    """A box of air around the middle of the floor, metres."""

    width: float
    far: float
    """y of the wall that the cameras face."""
    near: float
    """-y of the wall behind them."""
    height: float


def shell(place: Place, room: Room, tones: tuple[str, str], floor: Array, rng: Rng) -> None:
    """Walls, floor and ceiling: the far wall in the first tone, the others in the second."""
    width, far, near, height = room
    left, deep = -width / 2, far + near
    panel(place, (left, -near, 0), (width, 0, 0), (0, deep, 0), floor, (0.55, 0.3))
    panel(place, (left, far, 0), (width, 0, 0), (0, 0, height), surfaces.paint(tones[0], rng))
    for corner, across in (
        ((left, -near, 0), (0, deep, 0)),
        ((-left, -near, 0), (0, deep, 0)),
        ((left, -near, 0), (width, 0, 0)),
    ):
        panel(place, corner, across, (0, 0, height), surfaces.paint(tones[1], rng))
    panel(place, (left, -near, height), (width, 0, 0), (0, deep, 0), surfaces.paint("f1efea", rng))
    skirting = surfaces.paint("efede6", rng)
    block(place, (width, 0.018, 0.09), (0, far - 0.009, 0), skirting)
    for side in (left + 0.009, -left - 0.009):
        block(place, (0.018, deep, 0.09), (side, (far - near) / 2, 0), skirting)


def window(
    place: Place, room: Room, side: Literal["left", "right"], y: float, size: tuple[float, float], rng: Rng
) -> None:
    """A window (width, height) centred at `y` in a side wall, bright as an overcast sky, in a white frame."""
    wide, high = size
    inward = 1 if side == "left" else -1
    x, sill = -inward * (room.width / 2 - 0.012), 0.85
    mesh = shapes.sheet(
        np.array([x, y - inward * wide / 2, sill]),
        np.array([0, inward * wide, 0]),
        np.array([0, 0, high]),
        FLAT,
        0,
    )
    place.add_light(mesh, 7.0 * DAYLIGHT)
    frame = surfaces.paint("f2f0ea", rng)
    for offset in (-wide / 2, 0, wide / 2):
        block(place, (0.05, 0.06, high), (x, y + offset, sill), frame)
    for z in (sill - 0.05, sill + 0.6 * high, sill + high):
        block(place, (0.05, wide + 0.06, 0.05), (x, y, z), frame)
    block(place, (0.30, wide + 0.16, 0.03), (x, y, sill - 0.08), frame)


def ceiling_lamp(place: Place, room: Room, radiance: float) -> None:
    """A flat square lamp under the ceiling, behind the cameras' backs or above their heads."""
    side, z = 0.7, room.height - 0.06
    y = 0.5 * (room.far - room.near)
    # Across times up points down, which is where it shines.
    mesh = shapes.sheet(
        np.array([-side / 2, y + side / 2, z]), np.array([side, 0, 0]), np.array([0, -side, 0]), FLAT, 0
    )
    place.add_light(mesh, radiance * LAMPLIGHT)
