"""The staged scenes by name: what is built, and where the cameras stand."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sample_camera import Lens, look_at
from sample_place import Place

from stages.rooms import ROOMS
from stages.tables import TABLES
from stages.yards import YARDS

Array = np.ndarray
Rng = np.random.Generator

WIDTH, HEIGHT = 504, 378


@dataclass(frozen=True)
class Stand:
    """Where photos of a kind of scene are taken from: a bow about a point, hand-held. Metres, degrees."""

    focal: tuple[float, float]
    """Pixels, drawn between."""
    target: tuple[float, float, float]
    distance: tuple[float, float]
    height: tuple[float, float]
    """Of the camera above z = 0."""
    azimuth: tuple[float, float]
    """Of the bow's middle; 0 is straight ahead, positive to the right."""
    step: tuple[float, float]
    """Between neighbouring train photos."""


STANDS = {
    "room": Stand((370, 430), (0.0, 1.2, 0.95), (2.7, 3.1), (1.15, 1.55), (-8, 8), (5, 14)),
    "table": Stand((520, 620), (0.0, 0.12, 0.12), (1.25, 1.45), (0.35, 0.6), (-12, 12), (8, 20)),
    "yard": Stand((400, 460), (0.0, 1.2, 0.95), (3.0, 3.6), (1.3, 1.7), (-10, 10), (6, 15)),
}


@dataclass(frozen=True)
class Staged:
    """One scene of the set."""

    stand: Stand
    build: Callable[[Place, Rng], None]
    train: int
    """Train views."""


SCENES = {
    name: Staged(STANDS[kind], build, 3 + number % 2)
    for kind, builds in (("room", ROOMS), ("table", TABLES), ("yard", YARDS))
    for number, (name, build) in enumerate(builds.items())
}


def scene_rng(name: str, seed: int, what: int) -> Rng:
    """A generator that depends on the scene's name alone, not on its place among the others."""
    return np.random.default_rng([seed, what, *name.encode()])


def built(name: str, folder: Path, seed: int) -> dict[str, Any]:
    """Mitsuba's dictionary of a scene without camera; `folder` must outlive the loading."""
    place = Place(folder)
    SCENES[name].build(place, scene_rng(name, seed, 0))
    return place.things


def cameras(name: str, seed: int) -> tuple[Lens, list[Array]]:
    """The lens and `world_from_camera` of all photos along the bow: every second one, from the first, is held
    out (the first a little outside the train photos, the others between two); 2 a train view."""
    scene, rng = SCENES[name], scene_rng(name, seed, 1)
    stand = scene.stand
    lens = Lens(WIDTH, HEIGHT, round(rng.uniform(*stand.focal), 1))
    middle, step = rng.uniform(*stand.azimuth), rng.uniform(*stand.step)
    first = middle - 0.5 * (scene.train - 1) * step
    offsets = [part for k in range(scene.train) for part in (k - (0.35 if k == 0 else 0.5), k)]
    poses = []
    for offset in offsets:
        angle, distance = np.radians(first + offset * step), rng.uniform(*stand.distance)
        target = np.array(stand.target) + rng.uniform(-0.02, 0.02, 3) * distance
        centre = target + distance * np.array([np.sin(angle), -np.cos(angle), 0])
        centre[2] = rng.uniform(*stand.height)
        poses.append(look_at(centre, target))
    return lens, poses
