"""Rendered photos with exact cameras: a table on a tiled floor, a plane, a panorama. For bench_poses.py.

Rays against planes, boxes and a sphere, textured by noise; no renderer is needed. World: z up, metres.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

SIZE = (800, 600)
FOCAL = 760.0
SUPERSAMPLING = 2
TILE = 0.25
"""Metres from joint to joint."""

Shader = Callable[[np.ndarray], np.ndarray]
"""(k, 3) world points to (k, 3) colours in [0, 1]."""


@dataclass(frozen=True)
class Box:
    """An upright box, turned by `turn` radians about its vertical axis."""

    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    turn: float
    shade: Shader


def noise_texture(seed: int, octaves: int = 7) -> np.ndarray:
    """(1024, 1024) periodic noise in [0, 1] with as much energy in each octave."""
    rng = np.random.default_rng(seed)
    total = np.zeros((1024, 1024), np.float32)
    for octave in range(1, octaves + 1):
        side = 2 ** (octave + 2)
        grid = rng.standard_normal((side, side)).astype(np.float32)
        wrapped = np.pad(grid, 2, mode="wrap")
        scale = 1024 // side
        large = cv2.resize(wrapped, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        total += large[2 * scale : -2 * scale, 2 * scale : -2 * scale]
    return 1 / (1 + np.exp(-total / total.std()))


def sample(texture: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The periodic texture at (u, v), of which it covers the unit square."""
    x, y = u % 1 * 1024, v % 1 * 1024
    column, row = x.astype(int), y.astype(int)
    right, below = x - column, y - row
    column, row, column1, row1 = column % 1024, row % 1024, (column + 1) % 1024, (row + 1) % 1024
    above = texture[row, column] * (1 - right) + texture[row, column1] * right
    return (
        above * (1 - below) + (texture[row1, column] * (1 - right) + texture[row1, column1] * right) * below
    )


def tiled_floor(seed: int) -> Shader:
    """Equal printed tiles with dark joints; the wear that tells them apart is fainter than the print."""
    print_, wear = noise_texture(seed), noise_texture(seed + 1)

    def shade(xyz: np.ndarray) -> np.ndarray:
        u, v = xyz[:, 0] / TILE, xyz[:, 1] / TILE
        value = 0.35 + 0.4 * sample(print_, u, v) + 0.12 * (sample(wear, u / 9, v / 9) - 0.5)
        joint = np.minimum(np.abs((u + 0.5) % 1 - 0.5), np.abs((v + 0.5) % 1 - 0.5)) < 0.02
        return (value * np.where(joint, 0.35, 1))[:, None] * np.array([0.95, 0.9, 0.8])

    return shade


def printed(seed: int, metres: float, colour: Sequence[float]) -> Shader:
    """Noise that repeats after `metres`, on every face of a box or a plane."""
    texture = noise_texture(seed)

    def shade(xyz: np.ndarray) -> np.ndarray:
        u, v = xyz[:, 0] + 0.37 * xyz[:, 2], xyz[:, 1] + 0.71 * xyz[:, 2]
        return (0.15 + 0.8 * sample(texture, u / metres, v / metres))[:, None] * np.array(colour)

    return shade


TABLE = (
    Box((0.0, 0.0, 0.36), (0.5, 0.35, 0.02), 0.1, printed(11, 0.6, (0.8, 0.6, 0.4))),
    *(Box((x, y, 0.17), (0.03, 0.03, 0.17), 0.1, printed(12, 0.5, (0.6, 0.5, 0.4))) for x, y in
      ((-0.44, -0.3), (0.42, -0.3), (-0.42, 0.28), (0.44, 0.28))),
    Box((-0.22, -0.05, 0.49), (0.1, 0.07, 0.11), 0.5, printed(13, 0.3, (0.9, 0.4, 0.3))),
    Box((0.2, 0.08, 0.45), (0.14, 0.05, 0.07), -0.4, printed(14, 0.35, (0.4, 0.6, 0.9))),
    Box((0.05, -0.2, 0.42), (0.06, 0.06, 0.04), 0.9, printed(15, 0.25, (0.5, 0.8, 0.4))),
)  # fmt: skip


def look_at(centre: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`camera_from_world` (4, 4) of a level OpenCV camera."""
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return np.block([[rotation, -(rotation @ centre)[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]])


def render(
    camera_from_world: np.ndarray, boxes: Sequence[Box], floor: Shader | None, sky: Shader
) -> np.ndarray:
    """(h, w, 3) uint8 BGR. Rays that meet nothing take the sky's colour in their direction."""
    width, height = SIZE[0] * SUPERSAMPLING, SIZE[1] * SUPERSAMPLING
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    focal = FOCAL * SUPERSAMPLING
    rays = np.stack([(u - width / 2) / focal, (v - height / 2) / focal, np.ones_like(u)], -1).reshape(-1, 3)
    rotation = camera_from_world[:3, :3]
    rays, centre = rays @ rotation, -rotation.T @ camera_from_world[:3, 3]
    distance, owner = np.full(len(rays), np.inf), np.full(len(rays), -1)
    for index, box in enumerate(boxes):
        hit = hit_box(centre, rays, box)
        owner[hit < distance], distance = index, np.minimum(hit, distance)
    if floor is not None:
        with np.errstate(divide="ignore"):
            hit = np.where(rays[:, 2] < 0, -centre[2] / rays[:, 2], np.inf)
        owner[hit < distance], distance = len(boxes), np.minimum(hit, distance)
    colours = sky(rays / np.linalg.norm(rays, axis=1, keepdims=True))
    shaders: list[Shader] = [box.shade for box in boxes] + ([floor] if floor is not None else [])
    for index, shade in enumerate(shaders):
        mine = owner == index
        colours[mine] = shade(centre + distance[mine, None] * rays[mine])
    image = cv2.resize(colours.reshape(height, width, 3), SIZE, interpolation=cv2.INTER_AREA)
    return (image[..., ::-1] * 255).clip(0, 255).round().astype(np.uint8)


def hit_box(centre: np.ndarray, rays: np.ndarray, box: Box) -> np.ndarray:
    """Distance along each ray to the box; infinite where it is missed."""
    c, s = np.cos(box.turn), np.sin(box.turn)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    origin, direction = turn @ (centre - box.centre), rays @ turn.T
    with np.errstate(divide="ignore"):
        near = (-np.sign(direction) * box.half - origin) / direction
        far = (np.sign(direction) * box.half - origin) / direction
    enter, leave = near.max(1), far.min(1)
    return np.where((enter < leave) & (enter > 0), enter, np.inf)


def haze(directions: np.ndarray) -> np.ndarray:
    """A smooth sky: nothing to match."""
    return (0.7 + 0.2 * directions[:, 2:].clip(0, 1)) * np.array([0.9, 0.95, 1.0])


def panorama(directions: np.ndarray) -> np.ndarray:
    """Far scenery all around."""
    azimuth = np.arctan2(directions[:, 1], directions[:, 0]) / (2 * np.pi)
    value = sample(noise_texture(21), 4 * azimuth, 4 * directions[:, 2] / (2 * np.pi))
    return (0.1 + 0.85 * value)[:, None] * np.array([0.8, 0.9, 1.0])


def arc(degrees: float, count: int, target: np.ndarray, radius: float, height: float) -> list[np.ndarray]:
    """Cameras on an arc about `target`, looking at it."""
    poses = []
    for angle in np.radians(np.linspace(-degrees / 2, degrees / 2, count)):
        centre = np.array([radius * np.sin(angle), -radius * np.cos(angle), height])
        poses.append(look_at(centre, target))
    return poses


def write_table(folder: Path) -> np.ndarray:
    """Nine photos over 80 degrees; returns their (9, 4, 4) `camera_from_world`."""
    poses = arc(80, 9, np.array([0.0, 0.0, 0.3]), 1.9, 1.1)
    return _write(folder, poses, lambda pose: render(pose, TABLE, tiled_floor(1), haze))


def write_plane(folder: Path) -> np.ndarray:
    """Three photos of a printed floor and nothing else."""
    poses = arc(50, 3, np.array([0.0, 0.3, 0.0]), 1.2, 1.6)
    floor = printed(31, 3.0, (0.9, 0.9, 0.9))
    return _write(folder, poses, lambda pose: render(pose, (), floor, haze))


def write_panorama(folder: Path) -> np.ndarray:
    """Three photos turned on the spot."""
    eye = np.array([0.0, 0.0, 1.5])
    directions = [np.array([np.sin(a), np.cos(a), 0.03]) for a in np.radians([-15, 0, 15])]
    poses = [look_at(eye, eye + direction) for direction in directions]
    return _write(folder, poses, lambda pose: render(pose, (), None, panorama))


def _write(folder: Path, poses: list[np.ndarray], shoot: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    folder.mkdir(parents=True, exist_ok=True)
    for index, pose in enumerate(poses):
        path = folder / f"photo_{index}.png"
        if not path.exists():
            cv2.imwrite(str(path), shoot(pose))
    return np.stack(poses)
