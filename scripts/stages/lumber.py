"""Things of bars, boards and blades, most of them thin: ladders, fences, railings, shrubs. Metres, z up."""

import numpy as np
import sample_shapes as shapes
import sample_textures as textures
from sample_place import Place
from sample_shapes import turn
from sample_textures import rgb

from stages import surfaces
from stages.parts import Point, block, panel, rods

Rng = np.random.Generator


def ladder(place: Place, where: Point, height: float, rng: Rng) -> None:
    """A stepladder, seen from its side at an angle."""
    x, y, z = where
    spin, foot = turn("z", rng.uniform(20, 45)), np.array([x, y, z])

    def at(*point: float) -> np.ndarray:
        return spin @ np.array(point) + foot

    ends = []
    for side in (-1, 1):
        ends.append((at(side * 0.24, -0.35, 0), at(side * 0.17, 0, height)))
        ends.append((at(side * 0.24, 0.35, 0), at(side * 0.17, 0.02, height)))
    for t in np.arange(0.15, 1, 0.16):
        wide, deep = 0.24 - 0.07 * t, -0.35 * (1 - t)
        ends.append((at(-wide, deep, t * height), at(wide, deep, t * height)))
    rods(place, ends, 0.016, surfaces.paint("b9bcbd", rng), (0.3, 0.6))


def removal_boxes(place: Place, where: Point, rng: Rng) -> None:
    """Cartons with a strip of tape and some print."""
    x, y, z = where
    for a, b, c, size in (
        (0, 0, 0, (0.5, 0.4, 0.36)),
        (0.06, 0.02, 0.36, (0.42, 0.36, 0.3)),
        (-0.5, -0.15, 0, (0.4, 0.34, 0.28)),
    ):
        card = textures.shade(
            np.full((400, 500, 3), rgb("b08a5e")), 0.03 * textures.noise((400, 500), (3, 200), rng, 3)
        )
        card[185:215] = rgb("c9b07e")
        card = np.ascontiguousarray(card)
        textures.print_glyphs(card, (60, 260, 300, 340), 34, rgb("4a3626"), rng)
        block(place, size, (x + a, y + b, z + c), card, rng.uniform(-22, 22))


def picket_fence(place: Place, start: Point, length: float, tone: str, rng: Rng) -> None:
    """Pointed laths with gaps along x, on two rails."""
    x, y, z = start
    at, cover = 0.0, surfaces.paint(tone, rng, 0.02)
    while at < length:
        high = rng.uniform(0.82, 0.88)
        block(place, (0.07, 0.018, high), (x + at, y, z), cover, rng.uniform(-2, 2))
        at += 0.125
    rails = [((x - 0.1, y + 0.03, z + level), (x + length, y + 0.03, z + level)) for level in (0.25, 0.65)]
    rods(place, rails, 0.02, cover)


def railing(place: Place, start: Point, length: float, height: float, tone: str, rng: Rng) -> None:
    """Upright iron bars along x under a handrail."""
    x, y, z = start
    bars = [((x + a, y, z), (x + a, y, z + height)) for a in np.arange(0, length + 1e-6, 0.12)]
    bars += [((x, y, z + level), (x + length, y, z + level)) for level in (0.08, height)]
    rods(place, bars, 0.009, surfaces.paint(tone, rng))


def shrub(
    place: Place, where: Point, radius: float, tones: tuple[str, ...], rng: Rng, leaves: int = 240
) -> None:
    """Branches from one root with leaves along them."""
    foot, branches = np.asarray(where, dtype=float), []
    blades: list[list[shapes.Mesh]] = [[] for _ in tones]
    for number in range(26):
        spin = turn("z", 137.5 * number) @ turn("y", -rng.uniform(20, 85))
        tip = foot + spin @ np.array([radius * rng.uniform(0.8, 1.2), 0, 0])
        branch = shapes.arc(foot, tip, 0.12 * radius)
        branches.append(shapes.tube(branch, 0.007))
        for t in rng.uniform(0.35, 1, leaves // 26):
            turned = (
                turn("z", rng.uniform(0, 360))
                @ turn("y", rng.uniform(-60, 30))
                @ turn("x", rng.uniform(-40, 40))
            )
            length = rng.uniform(0.06, 0.11)
            blade = shapes.leaf(length, 0.5 * length, rng.uniform(0.1, 0.4), 0.3)
            blades[int(rng.integers(len(tones)))].append(
                blade.moved(turned, branch[int(t * (len(branch) - 1))])
            )
    place.add(shapes.joined(branches), surfaces.paint("5d4a38", rng, 0.05))
    for tone, meshes in zip(tones, blades, strict=True):
        place.add(shapes.joined(meshes), textures.leaf(rgb(tone), rng), 0.4, 0.45)


def grass(place: Place, corner: Point, size: tuple[float, float], count: int, rng: Rng) -> None:
    """Single blades standing in a rectangle."""
    blades = []
    for _ in range(count):
        foot = np.asarray(corner) + (*rng.uniform((0, 0), size), 0)
        blade = shapes.leaf(rng.uniform(0.10, 0.32), 0.011, rng.uniform(0.2, 0.7), 0.1)
        blades.append(blade.moved(turn("z", rng.uniform(0, 360)) @ turn("y", -rng.uniform(50, 85)), foot))
    place.add(shapes.joined(blades), textures.leaf(rgb("7d9a3f"), rng), 0.6, 0.3)


def bench(place: Place, where: Point, rng: Rng, yaw: float = 0.0) -> None:
    """Slats on two iron frames; its back is towards +y."""
    spin, foot = turn("z", yaw), np.asarray(where)
    for y, z, lean in [(-0.2 + 0.1 * i, 0.43, 0) for i in range(5)] + [
        (0.27 + 0.03 * i, 0.52 + 0.13 * i, 76) for i in range(3)
    ]:
        slat = shapes.joined(list(shapes.box((1.4, 0.075, 0.022)).values()))
        slat = slat.moved(turn("x", lean), (0, y, z)).moved(spin, foot)
        place.add(slat, textures.wood((80, 700), rgb("9a6b42"), rng), 0.6)
    ends = [((a, -0.2, 0), (a, -0.2, 0.43)) for a in (-0.55, 0.55)]
    ends += [((a, 0.22, 0), (a, 0.36, 0.85)) for a in (-0.55, 0.55)]
    ends += [((a, -0.22, 0.42), (a, 0.24, 0.42)) for a in (-0.55, 0.55)]
    moved = [(spin @ np.array(a) + foot, spin @ np.array(b) + foot) for a, b in ends]
    rods(place, moved, 0.016, surfaces.paint("2d3133", rng))


def washing_line(place: Place, left: Point, right: Point, rng: Rng) -> None:
    """A sagging line with towels between two posts."""
    line = shapes.arc(np.array(left, dtype=float), np.array(right, dtype=float), -0.08)
    place.add(shapes.tube(line, 0.004, end=1.0), surfaces.paint("d8d6d0", rng))
    posts = [((end[0], end[1], 0), tuple(end)) for end in (left, right)]
    rods(place, posts, 0.025, surfaces.paint("6f7a7a", rng))
    for t, tones in ((0.2, ("d9d4c7",)), (0.48, ("9c3f3f", "e3d9c6")), (0.76, ("4f6f86", "dfe3e2"))):
        x, y, z = line[int(t * 23)]
        panel(
            place,
            (x - 0.2, y, z - 0.62),
            (0.4, 0, 0),
            (0.0, 0.02, 0.62),
            surfaces.striped(tones, rng, 10),
            (0.95, 0.1),
        )
