"""The bundled sample's plants: potted ones, ivy on the wall, fallen leaves. Metres, z up."""

import numpy as np
import sample_shapes as shapes
import sample_textures as textures
from sample_place import Place
from sample_shapes import Mesh, turn
from sample_textures import rgb

WALL_Y = 1.1
"""Of the yard's wall, in metres."""


def add_plant(
    place: Place, foot: np.ndarray, height: float, leaves: int, size: float, tones: tuple, rng
) -> None:
    """Bent stems from `foot`, leaves around each."""
    blades: dict[int, list[Mesh]] = {index: [] for index in range(len(tones))}
    stems = []
    for number in range(max(4, leaves // 8)):
        yaw = 137.5 * number + rng.uniform(-20, 20)
        lean = rng.uniform(0.1, 0.5) * height
        tip = foot + turn("z", yaw) @ np.array([lean, 0, height * rng.uniform(0.6, 1)])
        stem = shapes.arc(foot + rng.uniform(-0.02, 0.02, 3) * (1, 1, 0), tip, 0.1 * height)
        stems.append(shapes.tube(stem, 0.006))
        for t in np.linspace(0.3, 1, 8):
            turned = (
                turn("z", yaw + rng.uniform(0, 360))
                @ turn("y", rng.uniform(-40, 15))
                @ turn("x", rng.uniform(-25, 25))
            )
            length = size * rng.uniform(0.7, 1.15)
            blade = shapes.leaf(length, 0.55 * length, rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.4))
            blades[int(rng.integers(len(tones)))].append(blade.moved(turned, stem[int(t * (len(stem) - 1))]))
    bark = textures.wood((64, 256), rgb("6b6a3c"), rng)
    place.add(shapes.joined(stems), bark, 0.7)
    for index, tone in enumerate(tones):
        place.add(shapes.joined(blades[index]), textures.leaf(rgb(tone), rng), 0.4, 0.45)


def add_pot(place: Place, where: tuple[float, float], radius: float, rng: np.random.Generator) -> np.ndarray:
    """A terracotta pot with soil; returns where the plant stands."""
    r = radius
    outline = [
        (0, 0),
        (0.68 * r, 0),
        (0.93 * r, 1.25 * r),
        (0.93 * r, 1.26 * r),
        (1.06 * r, 1.27 * r),
        (1.08 * r, 1.6 * r),
        (0.96 * r, 1.6 * r),
        (0.92 * r, 1.2 * r),
    ]
    place.add(
        shapes.turned(outline).moved(turn("z", rng.uniform(0, 360)), (*where, 0.01)),
        textures.terracotta((400, 1200), rng),
        0.8,
    )
    soil = textures.dead_leaves(
        (256, 512), (2, 12), [rgb(c) for c in ("5b4636", "74593f", "95795a", "453526")], rng
    )
    mound = shapes.turned([(0.97 * r, 1.42 * r), (0.6 * r, 1.5 * r), (0, 1.53 * r)])
    place.add(mound.moved(np.eye(3), (*where, 0.01)), soil, 0.9)
    return np.array([*where, 1.5 * r])


def add_pots(place: Place, rng: np.random.Generator) -> None:
    foot = add_pot(place, (-1.02, 0.48), 0.19, rng)
    add_plant(place, foot, 0.75, 72, 0.20, ("4c7a3a", "5f8f43", "3d6a3c"), rng)
    foot = add_pot(place, (0.98, 0.10), 0.14, rng)
    add_plant(place, foot, 0.42, 64, 0.13, ("7d9a4f", "a06a72", "8fae62"), rng)
    foot = add_pot(place, (1.45, 0.62), 0.20, rng)
    add_plant(place, foot, 0.85, 72, 0.22, ("3f6f4a", "56864f", "7a9a48"), rng)


def add_ivy(place: Place, rng: np.random.Generator) -> None:
    """Ivy that climbs the wall on the right."""
    vines, blades = [], [[], [], []]
    for number in range(11):
        x, z, drift = rng.uniform(0.95, 2.5), 0.0, rng.uniform(-0.25, 0.15)
        path = []
        while z < rng.uniform(1.2, 2.2):
            path.append((x, WALL_Y - 0.035 - 0.01 * rng.random(), z))
            drift = np.clip(drift + rng.uniform(-0.12, 0.12), -0.5, 0.5)
            x, z = x + 0.06 * drift, z + 0.06
        if len(path) < 4:
            continue
        vines.append(shapes.tube(np.array(path), 0.007, 8))
        for point in path:
            for _ in range(2 + number % 2):
                length = rng.uniform(0.06, 0.12)
                # Blades hang off the wall, their upper side to the yard.
                turned = (
                    turn("y", rng.uniform(-70, 250))
                    @ turn("x", 90 + rng.uniform(-35, 35))
                    @ turn("y", rng.uniform(-30, 10))
                )
                blade = shapes.leaf(length, 0.8 * length, 0.2, 0.25)
                blades[int(rng.integers(3))].append(
                    blade.moved(turned, np.array(point) - (0, rng.uniform(0.01, 0.05), 0))
                )
    place.add(shapes.joined(vines), textures.wood((64, 512), rgb("5d4a38"), rng), 0.8)
    for tone, meshes in zip(("35592f", "4b7038", "6b7d3a"), blades, strict=True):
        place.add(shapes.joined(meshes), textures.leaf(rgb(tone), rng), 0.35, 0.5)


def add_fallen_leaves(place: Place, rng: np.random.Generator) -> None:
    """Dry leaves on the paving and the bench."""
    for tone in ("a9712f", "8d4f2a", "b89243", "6f5a34"):
        blades = []
        for _ in range(26):
            length = rng.uniform(0.05, 0.10)
            blade = shapes.leaf(length, 0.6 * length, rng.uniform(-0.3, 0.1), rng.uniform(0.1, 0.5))
            where = (rng.uniform(-1.7, 2.2), rng.uniform(-1.1, 1.0), 0.022)
            blades.append(blade.moved(turn("z", rng.uniform(0, 360)), where))
        place.add(shapes.joined(blades), textures.leaf(rgb(tone), rng), 0.7)
