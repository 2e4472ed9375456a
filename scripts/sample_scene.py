"""The bundled sample's place: a paved corner of a yard, its things, its light. Metres, z up, wall at y = 1.1.

`build` returns a Mitsuba scene dictionary without camera. Meshes go through PLY files in a temporary folder.
"""

from pathlib import Path
from typing import Any

import numpy as np
import sample_shapes as shapes
import sample_textures as textures
from sample_shapes import Mesh, turn
from sample_textures import rgb

WALL_Y = 1.1
LEFT_X = -1.75


class Place:
    """Collects meshes with their materials into a Mitsuba dictionary."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.things: dict[str, Any] = {"type": "scene"}

    def add(self, mesh: Mesh, picture: np.ndarray, roughness: float = 0.8, specular: float = 0.3) -> None:
        """`mesh` covered with an sRGB `picture` (h, w, 3), both sides alike."""
        import mitsuba as mi

        name = f"thing{len(self.things):03d}"
        shapes.write_ply(self.folder / f"{name}.ply", mesh)
        bitmap = mi.Bitmap((np.clip(picture, 0, 1) * 255).round().astype(np.uint8))
        material = {
            "type": "principled",
            "base_color": {"type": "bitmap", "bitmap": bitmap},
            "roughness": roughness,
            "specular": specular,
        }
        self.things[name] = {
            "type": "ply",
            "filename": str(self.folder / f"{name}.ply"),
            "bsdf": {"type": "twosided", "material": material},
        }


def build(folder: Path, seed: int) -> dict[str, Any]:
    """The whole place; `folder` must outlive the loading of the scene."""
    place = Place(folder)
    for part in (
        add_ground,
        add_wall,
        add_fence,
        add_crate,
        add_books,
        add_ware,
        add_pots,
        add_can,
        add_stones,
        add_ivy,
        add_poster,
        add_fallen_leaves,
    ):
        part(place, np.random.default_rng([seed, sum(part.__name__.encode())]))
    place.things["sky"] = sky()
    return place.things


def sky() -> dict[str, Any]:
    """A bright overcast sky with a veiled sun high on the right, behind the camera: soft shadows."""
    import mitsuba as mi

    h, w = 256, 512
    elevation = np.linspace(np.pi / 2, -np.pi / 2, h)[:, None, None]
    azimuth = np.linspace(-np.pi, np.pi, w)[None, :, None]
    direction = np.concatenate(
        [
            -np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation) + 0 * azimuth,
            np.cos(elevation) * np.cos(azimuth),
        ],
        2,
    )
    up = np.clip(np.sin(elevation), 0, 1)
    radiance = (1 - up) * np.array([0.95, 0.98, 1.02]) + up * np.array([0.45, 0.62, 0.95])
    radiance = np.where(elevation < 0, np.array([0.22, 0.19, 0.16]), 0.7 * radiance + 0 * azimuth)
    sun = np.array([0.50, 0.75, 0.62]) / np.linalg.norm([0.50, 0.75, 0.62])
    glow = np.clip((direction @ sun)[..., None], 0, 1)
    radiance = radiance + np.array([1.0, 0.90, 0.74]) * (
        1.2 * glow**24 + 330 * (glow > np.cos(np.radians(4)))
    )
    return {
        "type": "envmap",
        "bitmap": mi.Bitmap(radiance.astype(np.float32)),
        "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], 90),
    }


def add_ground(place: Place, rng: np.random.Generator) -> None:
    picture, height = textures.flagstones((2400, 3600), 260, rng)
    picture_height = height[::6, ::6]
    corner, across, back = np.array([-3.2, -3.0, 0]), np.array([6.6, 0, 0]), np.array([0, 4.4, 0])
    place.add(shapes.sheet(corner, across, back, picture_height, 0.012), picture, 0.7)


def add_wall(place: Place, rng: np.random.Generator) -> None:
    scale = 420
    size = np.array([6.4, 2.6])
    picture, height = textures.painted_wall((int(size[1] * scale), int(size[0] * scale)), scale, rng)
    corner = np.array([LEFT_X - 0.2, WALL_Y, -0.05])
    wall = shapes.sheet(corner, np.array([size[0], 0, 0]), np.array([0, 0, size[1]]), height[::6, ::6], 0.012)
    place.add(wall, picture, 0.9, 0.2)


def add_fence(place: Place, rng: np.random.Generator) -> None:
    """Upright boards along the left edge, each a little out of line."""
    tones = [rgb(c) for c in ("8d7a63", "7c6f60", "9a8468", "76685a", "857b70")]
    y = WALL_Y - 0.06
    while y > -2.6:
        width = rng.uniform(0.11, 0.16)
        sides = shapes.box((0.025, width - rng.uniform(0.006, 0.018), rng.uniform(1.9, 2.25)))
        grain = textures.wood((160, 1500), tones[rng.integers(len(tones))], rng)
        upright = np.ascontiguousarray(np.rot90(grain))
        offset = (LEFT_X + rng.uniform(-0.015, 0.015), y - width / 2, 0)
        board = shapes.joined([sides["right"], sides["front"], sides["back"], sides["top"]])
        place.add(board.moved(turn("z", rng.uniform(-3, 3)), offset), upright, 0.85)
        y -= width


def add_plank(
    place: Place, size: tuple[float, float, float], where: tuple, yaw: float, rng: np.random.Generator
) -> None:
    """One board, its grain along x."""
    tone = [rgb(c) for c in ("b08a5c", "a07a50", "bb9868", "97764f")][rng.integers(4)]
    high = max(size[1], size[2])
    plank = textures.wood((max(64, int(700 * high)), int(900 * size[0])), tone, rng)
    place.add(shapes.joined(list(shapes.box(size).values())).moved(turn("z", yaw), where), plank, 0.6, 0.4)


def add_crate(place: Place, rng: np.random.Generator) -> None:
    """A low bench: three boards on two trestles of boards."""
    for y in (0.17, 0.36, 0.55):
        add_plank(
            place,
            (1.25, 0.175, 0.03),
            (0.02 + rng.uniform(-0.02, 0.02), y, 0.43),
            rng.uniform(-0.5, 0.5),
            rng,
        )
    for x in (-0.45, 0.48):
        for z in (0.02, 0.16, 0.30):
            add_plank(place, (0.50, 0.03, 0.115), (x, 0.36, z), 90, rng)
    add_plank(place, (0.92, 0.025, 0.09), (0.02, 0.2, 0.30), 0, rng)


def add_book(
    place: Place, size: tuple[float, float, float], where: np.ndarray, rotation: np.ndarray, rng
) -> None:
    """A bound book lying on its back; the spine is its front side, towards -y."""
    width, depth, high = size
    covers = ("7b2d26", "22577a", "e0b04a", "386641", "ede3cf", "4a3d5c")
    tone = rgb(covers[rng.integers(len(covers))])
    ink = rgb("f3ead3") if tone.mean() < 0.5 else rgb("3a2a20")
    sides = shapes.box(size)
    cover = textures.page((int(1600 * depth), int(1600 * width)), tone, ink, rng)
    spine = np.ascontiguousarray(
        textures.shade(
            np.full((int(2400 * high), int(2400 * width), 3), tone),
            0.08 * textures.noise((int(2400 * high), int(2400 * width)), 60, rng),
        )
    )
    h, w = spine.shape[:2]
    textures.print_glyphs(spine, (w // 10, h // 5, w - w // 10, h), max(12, int(0.5 * h)), ink, rng)
    pages = textures.shade(
        np.full((120, 400, 3), rgb("e9dfc4")), 0.16 * textures.noise((120, 400), (5, 900), rng, 2)
    )
    pages = textures.shade(pages, 0.06 * textures.noise((120, 400), 20, rng, 5))
    for side, picture in (
        ("top", cover),
        ("front", spine),
        ("left", pages),
        ("right", pages),
        ("back", pages),
    ):
        place.add(sides[side].moved(rotation, where), picture, 0.45, 0.5)


def add_books(place: Place, rng: np.random.Generator) -> None:
    z = 0.46
    for size, yaw in (((0.30, 0.22, 0.045), 12), ((0.27, 0.20, 0.035), -9), ((0.23, 0.17, 0.05), 20)):
        add_book(place, size, np.array([-0.30, 0.33, z]), turn("z", yaw), rng)
        z += size[2]
    leaning = turn("z", -14) @ turn("x", 68)
    add_book(place, (0.24, 0.32, 0.035), np.array([0.12, 0.50, 0.60]), leaning, rng)
    add_book(place, (0.26, 0.19, 0.04), np.array([0.40, 0.20, 0.46]), turn("z", -24), rng)


def add_ware(place: Place, rng: np.random.Generator) -> None:
    """Glazed vase, painted ball, marbled egg and labelled tin on the bench."""
    vase = [
        (0, 0),
        (0.05, 0),
        (0.075, 0.03),
        (0.10, 0.11),
        (0.085, 0.2),
        (0.045, 0.26),
        (0.04, 0.30),
        (0.055, 0.33),
        (0.045, 0.325),
        (0.035, 0.30),
        (0.04, 0.2),
    ]
    place.add(
        shapes.turned(shapes.smooth(vase)).moved(np.eye(3), (0.47, 0.44, 0.46)),
        textures.glaze((512, 1024), rng),
        0.18,
        0.5,
    )
    palette = [rgb(c) for c in ("d64933", "f0c987", "2b4162", "7fb7be", "efe9d9", "8c5e58")]
    ball = textures.dead_leaves((512, 1024), (6, 70), palette, rng)
    place.add(
        shapes.stone((0.085, 0.085, 0.085), rng, 0).moved(turn("x", 40), (0.13, 0.22, 0.545)), ball, 0.25, 0.5
    )
    label = textures.page((420, 900), rgb("e8d8a8"), rgb("7a2222"), rng)
    can = [(0, 0), (0.052, 0), (0.052, 0.145), (0.049, 0.147), (0.046, 0.142), (0, 0.142)]
    place.add(shapes.turned(can).moved(turn("z", 200), (-0.02, 0.34, 0.46)), label, 0.35, 0.5)
    for x, y, size in ((-0.30, 0.32, 0.042), (0.36, 0.19, 0.036)):
        tone = rgb(("9fb3a6", "caa58c")[int(x > 0)])
        egg = shapes.stone((size * 1.25, size, size * 0.8), rng, 0.05)
        place.add(
            egg.moved(turn("z", 100 * x), (x, y, (0.59 if x < 0 else 0.50) + size * 0.7)),
            textures.pebble(tone, rng),
            0.4,
            0.4,
        )


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


def add_can(place: Place, rng: np.random.Generator) -> None:
    """A watering can of painted tin in front of the bench."""
    body = [(0, 0), (0.12, 0), (0.115, 0.21), (0.10, 0.235), (0.06, 0.25), (0.055, 0.24), (0.09, 0.22)]
    spout = shapes.tube(shapes.arc(np.array([0.10, 0, 0.06]), np.array([0.33, 0, 0.27]), -0.03), 0.024, 16)
    rose = shapes.turned([(0.02, 0), (0.05, 0.04), (0.048, 0.045), (0, 0.05)]).moved(
        turn("y", 45), (0.32, 0, 0.26)
    )
    handle = shapes.tube(
        shapes.arc(np.array([-0.115, 0, 0.06]), np.array([0.05, 0, 0.245]), 0.17, 40), 0.012, 12
    )
    tone = rgb("4f8a86")
    for mesh in (shapes.turned(body, 128), spout, rose, handle):
        place.add(
            mesh.moved(turn("z", 203), (-0.32, -0.28, 0.012)), textures.tin((512, 1024), tone, rng), 0.35, 0.5
        )


def add_stones(place: Place, rng: np.random.Generator) -> None:
    tones = [rgb(c) for c in ("9a948c", "8b7d6f", "b0a79b", "77787a", "a58f7c", "c4b8a6")]
    spots = [
        (0.42, -0.42, 0.13),
        (0.66, -0.30, 0.085),
        (0.24, -0.55, 0.06),
        (0.58, -0.60, 0.055),
        (0.10, -0.36, 0.045),
        (-0.85, -0.18, 0.10),
        (-1.02, -0.32, 0.06),
        (-0.68, -0.34, 0.045),
        (1.20, -0.25, 0.07),
        (0.86, -0.62, 0.04),
    ]
    for x, y, size in spots:
        radii = size * rng.uniform((0.9, 0.75, 0.55), (1.3, 1.0, 0.75))
        where = (x, y, 0.6 * radii[2] + 0.01)
        place.add(
            shapes.stone(tuple(radii), rng, 0.09).moved(turn("z", rng.uniform(0, 360)), where),
            textures.pebble(tones[rng.integers(len(tones))], rng),
            0.75,
        )


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


def add_poster(place: Place, rng: np.random.Generator) -> None:
    """A framed print on the wall above the bench, and a smaller one."""
    for x, z, width, high, paper in ((-0.28, 0.86, 0.52, 0.66, "efe6d0"), (0.50, 0.98, 0.34, 0.44, "dfe4dc")):
        face = np.array([x - width / 2, WALL_Y - 0.045, z])
        sheet = shapes.sheet(face, np.array([width, 0, 0]), np.array([0, 0, high]), np.zeros((2, 2)), 0)
        place.add(
            sheet,
            textures.page((int(1100 * high), int(1100 * width)), rgb(paper), rgb("2b2b33"), rng),
            0.4,
            0.4,
        )
        for edge in (0, 1):
            add_plank(
                place,
                (width + 0.06, 0.035, 0.03),
                (x, WALL_Y - 0.05, z - 0.03 + edge * (high + 0.03)),
                0,
                rng,
            )
            sides = shapes.joined(list(shapes.box((0.03, 0.035, high)).values()))
            grain = np.ascontiguousarray(np.rot90(textures.wood((48, 500), rgb("97764f"), rng)))
            place.add(
                sides.moved(np.eye(3), (x + (edge - 0.5) * (width + 0.03), WALL_Y - 0.05, z)), grain, 0.6
            )


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
