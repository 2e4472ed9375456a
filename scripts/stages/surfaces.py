"""Pictures that cover the staged scenes: paint, boards, tiles, cloth. sRGB floats (h, w, 3)."""

import cv2
import numpy as np
from sample_textures import noise, rgb, shade, wood

Array = np.ndarray
Rng = np.random.Generator


def paint(tone: str, rng: Rng, mottled: float = 0.006) -> Array:
    """One colour from a roller: nearly uniform, as walls, cupboards and plastic are."""
    side = 384
    coat = mottled * (noise((side, side), 120, rng, 3) + 0.6 * noise((side, side), 5, rng, 2))
    return shade(np.full((side, side, 3), rgb(tone)), coat)


def boards(tone: str, rng: Rng, rows: int = 14) -> Array:
    """A floor of planks that run across, their ends offset."""
    high, wide = 72, 1600
    floor = []
    for _ in range(rows):
        plank = wood((high, wide), rgb(tone) * rng.uniform(0.88, 1.08), rng)
        plank = 0.45 * plank + 0.55 * rgb(tone)
        joint = int(rng.integers(wide))
        plank[:2] *= 0.55
        plank[:, joint : joint + 3] *= 0.55
        floor.append(plank)
    return np.concatenate(floor).clip(0, 1).astype(np.float32)


def tiles(tone: str, rng: Rng, across: int = 10, down: int = 10) -> Array:
    """Equal glazed tiles, all but one shade, with pale joints."""
    size = 96
    shape = (down * size, across * size)
    tint = cv2.resize(
        rng.uniform(-0.025, 0.025, (down, across)), shape[::-1], interpolation=cv2.INTER_NEAREST
    )
    picture = shade(np.full((*shape, 3), rgb(tone)), tint + 0.01 * noise(shape, 200, rng, 3))
    y, x = (np.arange(n) % size < 4 for n in shape)
    picture[y[:, None] | x[None]] = rgb("c9c5bb") * 0.8
    return picture


def cloth(tone: str, rng: Rng, contrast: float = 0.05) -> Array:
    """Woven threads too fine for most photos, a little worn."""
    shape = (768, 768)
    weave = noise(shape, (2, 9), rng, 2) + noise(shape, (9, 2), rng, 2)
    return shade(np.full((*shape, 3), rgb(tone)), contrast * weave + 0.02 * noise(shape, 200, rng, 4))


def striped(tones: tuple[str, ...], rng: Rng, stripes: int = 18) -> Array:
    """Cloth with stripes of random widths, across."""
    widths = rng.uniform(0.4, 1.6, stripes)
    edges = (np.cumsum(widths) / widths.sum() * 768).astype(int)
    ground = cloth("ffffff", rng, 0.05)
    colours = np.stack([rgb(tone) for tone in tones])
    number = np.searchsorted(edges, np.arange(768), side="right") % len(tones)
    return (ground * colours[number][:, None]).astype(np.float32)


def gravel(rng: Rng) -> Array:
    """Small stones of all greys."""
    shape = (1600, 1600)
    stones = shade(np.full((*shape, 3), rgb("9a9184")), 0.3 * noise(shape, 14, rng, 3))
    return shade(stones, 0.06 * noise(shape, 300, rng, 4))


def lawn(rng: Rng) -> Array:
    """Mown grass from above."""
    shape = (1600, 1600)
    green = shade(np.full((*shape, 3), rgb("5d7a38")), 0.28 * noise(shape, (14, 5), rng, 3))
    return shade(green, 0.12 * noise(shape, 260, rng, 5))


def render_coat(tone: str, rng: Rng) -> Array:
    """Rough plaster of a house: fine grain, rain marks."""
    shape = (900, 900)
    coat = shade(np.full((*shape, 3), rgb(tone)), 0.035 * noise(shape, 6, rng, 2))
    return shade(coat, 0.03 * noise(shape, (500, 60), rng, 4))
