"""Textures of the bundled sample, painted with numpy and OpenCV from a seed; none repeats itself.

Colours are sRGB floats in [0, 1], (h, w, 3); heights and masks are (h, w). Rows run downwards.
"""

import cv2
import numpy as np

Array = np.ndarray
Rng = np.random.Generator


def noise(shape: tuple[int, int], cell: float | tuple[float, float], rng: Rng, octaves: int = 5) -> Array:
    """Fractal value noise of unit deviation; `cell` is the coarsest wavelength in pixels, (down, across)."""
    h, w = shape
    down, across = cell if isinstance(cell, tuple) else (cell, cell)
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        rows, columns = (max(2, round(n * 2**octave / c) + 2) for n, c in ((h, down), (w, across)))
        lattice = rng.standard_normal((min(rows, h), min(columns, w))).astype(np.float32)
        total += cv2.resize(lattice, (w, h), interpolation=cv2.INTER_CUBIC) * 0.6**octave
    return (total - total.mean()) / total.std()


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a: Array, b: Array, weight: Array) -> Array:
    """`a` where weight is 0, `b` where it is 1; colours broadcast over the pixels of the weight."""
    return a + (b - a) * weight[..., None]


def rgb(hexadecimal: str) -> Array:
    """The colour "c86432" as floats."""
    return np.frombuffer(bytes.fromhex(hexadecimal), np.uint8).astype(np.float32) / 255


def shade(colour: Array, strength: Array) -> Array:
    """Colour made darker or brighter by the factor 1 + strength, pixel by pixel."""
    return np.clip(colour * (1 + strength[..., None]), 0, 1).astype(np.float32)


def dead_leaves(shape: tuple[int, int], radii: tuple[float, float], palette: list[Array], rng: Rng) -> Array:
    """Overlapping ellipses whose radii follow a power law, as natural images do; covers all of `shape`."""
    h, w = shape
    picture = np.full((h, w, 3), palette[0], np.float32)
    small, large = radii
    count = int(2.5 * h * w / (small * large))
    size = 1 / np.sqrt(rng.uniform(1 / large**2, 1 / small**2, count))
    for radius in size:
        centre = (int(rng.integers(w)), int(rng.integers(h)))
        axes = (int(radius) + 1, int(radius * rng.uniform(0.35, 1)) + 1)
        colour = palette[rng.integers(len(palette))] * rng.uniform(0.75, 1.15)
        cv2.ellipse(picture, centre, axes, rng.uniform(0, 180), 0, 360, colour.tolist(), -1, cv2.LINE_AA)
    return np.clip(picture, 0, 1)


def print_glyphs(picture: Array, box: tuple[int, int, int, int], size: int, ink: Array, rng: Rng) -> None:
    """Sets lines of invented letters, `size` pixels high, into (left, top, right, bottom) of `picture`."""
    left, top, right, bottom = box
    for y in range(top, bottom - size, int(size * 1.7)):
        x, end = left, right - int(rng.uniform(0, 0.35) * (right - left))
        while x < end - size:
            for _ in range(rng.integers(2, 5)):
                points = rng.integers(0, 4, (rng.integers(2, 4), 2)) / 3 * (0.6 * size, size) + (x, y)
                line = np.round(points * 16).astype(np.int32)
                cv2.polylines(picture, [line], False, ink.tolist(), max(1, size // 7), cv2.LINE_AA, 4)
            x += int(size * (0.85 if rng.random() > 0.18 else 1.5))


def flagstones(shape: tuple[int, int], spacing: float, rng: Rng) -> tuple[Array, Array]:
    """Irregular paving with mossy joints: colour and height (1 on the stones, 0 in the joints)."""
    h, w = shape
    seeds = np.ones(shape, np.uint8)
    for y in np.arange(spacing / 2, h, spacing):
        for x in np.arange(spacing / 2, w, spacing):
            dy, dx = rng.uniform(-0.42, 0.42, 2) * spacing
            seeds[int(np.clip(y + dy, 0, h - 1)), int(np.clip(x + dx, 0, w - 1))] = 0
    _, cells = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    warp = [noise(shape, spacing / 2, rng, 4) * spacing * 0.035 for _ in range(2)]
    rows, columns = np.mgrid[0:h, 0:w].astype(np.float32)
    cells = cv2.remap(cells.astype(np.float32), columns + warp[0], rows + warp[1], cv2.INTER_NEAREST).astype(
        int
    )
    edges = (np.diff(cells, axis=0, append=cells[-1:]) != 0) | (
        np.diff(cells, axis=1, append=cells[:, -1:]) != 0
    )
    from_joint = cv2.distanceTransform((~edges).astype(np.uint8), cv2.DIST_L2, 5)
    height = smoothstep(spacing * 0.015, spacing * 0.06, from_joint)

    tones = np.stack([rgb(c) for c in ("a49a8c", "8d8780", "b3a58d", "98908a", "a08a78", "7f7d7b")])
    tone = tones[rng.integers(len(tones), size=cells.max() + 1)][cells]
    stone = shade(tone, 0.10 * noise(shape, 120, rng, 7) + 0.10 * noise(shape, 9, rng, 3))
    lichen = smoothstep(1.15, 1.5, noise(shape, 60, rng, 5) + 0.3 * noise(shape, 6, rng, 2))
    stone = mix(stone, rgb("cfc9a2"), 0.65 * lichen)
    stone = mix(stone, rgb("45403a"), 0.8 * smoothstep(1.7, 2.1, noise(shape, 14, rng, 3)))
    moss = mix(
        shade(np.full((h, w, 3), rgb("4f5a2a")), 0.35 * noise(shape, 8, rng, 3)),
        rgb("5b4a3a"),
        smoothstep(-0.3, 0.8, noise(shape, 90, rng, 4)),
    )
    return mix(moss, stone, height), height + 0.03 * noise(shape, 40, rng, 5)


def bricks(shape: tuple[int, int], size: tuple[int, int], rng: Rng) -> tuple[Array, Array]:
    """Hand-made bricks of about (high, long) pixels in mortar: colour and height."""
    h, w = shape
    high, long = size
    joint = max(2, high // 7)
    picture = shade(np.full((h, w, 3), rgb("b9b0a2")), 0.12 * noise(shape, 12, rng, 3))
    height = np.zeros(shape, np.float32)
    tones = [rgb(c) for c in ("a3563c", "8d4632", "b56a49", "7c4034", "9c604a", "c07f5c")]
    for row, y in enumerate(range(0, h, high)):
        x = -int(long * (0.5 * (row % 2) + rng.uniform(0, 0.2)))
        while x < w:
            width = int(long * rng.uniform(0.88, 1.1))
            corner, end = (x + joint, y + int(rng.integers(joint + 1))), (x + width, y + high - joint)
            tone = tones[rng.integers(len(tones))] * rng.uniform(0.8, 1.15)
            cv2.rectangle(picture, corner, end, tone.tolist(), -1)
            cv2.rectangle(height, corner, end, float(rng.uniform(0.7, 1)), -1)
            x += width
    picture = shade(picture, 0.13 * noise(shape, 40, rng, 6) + 0.10 * noise(shape, 6, rng, 2))
    return picture, cv2.GaussianBlur(height, (0, 0), joint / 2) + 0.08 * noise(shape, 10, rng, 3)


def painted_wall(shape: tuple[int, int], pixels_per_metre: float, rng: Rng) -> tuple[Array, Array]:
    """Old plaster with a faded mural, come off in patches down to the bricks: colour and height."""
    h, w = shape
    scale = pixels_per_metre
    brick, brick_height = bricks(shape, (int(0.075 * scale), int(0.23 * scale)), rng)
    palette = [
        rgb(c) for c in ("d9b26a", "c9764d", "6f8f86", "e2d3b0", "3f5f6b", "a8b48a", "d8a59a", "8a5a52")
    ]
    mural = dead_leaves(shape, (0.035 * scale, 0.30 * scale), palette, rng)
    plaster = shade(np.full((h, w, 3), rgb("d8c9ae")), 0.05 * noise(shape, 0.5 * scale, rng, 8))
    faded = 0.55 + 0.2 * noise(shape, 0.4 * scale, rng, 6)
    worn = smoothstep(0.2, 1.0, noise(shape, 0.25 * scale, rng, 7))
    paint = mix(plaster, mural, np.clip(faded, 0.15, 0.9) * (1 - 0.8 * worn))
    paint = shade(paint, 0.06 * noise(shape, 0.05 * scale, rng, 4) + 0.07 * noise(shape, 5, rng, 2))
    cracks = np.abs(noise(shape, 0.35 * scale, rng, 6))
    paint = shade(paint, -0.55 * smoothstep(0.035, 0.0, cracks))
    above_ground = np.linspace(h, 0, h)[:, None] / scale
    damp = smoothstep(0.5, 0.0, above_ground + 0.12 * noise(shape, 0.3 * scale, rng, 5))
    paint = shade(paint, -0.4 * damp)
    bare = noise(shape, 0.9 * scale, rng, 7) + 0.5 * damp
    coat = 1 - smoothstep(0.78, 0.84, bare)
    rim = smoothstep(0.70, 0.80, bare) * coat
    return mix(shade(brick, -0.1 * damp), mix(paint, rgb("e6dccb"), 0.6 * rim), coat), 0.6 * brick_height * (
        1 - coat
    ) + 1.5 * coat


def wood(shape: tuple[int, int], tone: Array, rng: Rng) -> Array:
    """Weathered plank, the grain running along the rows' direction (across)."""
    h, w = shape
    grain = noise(shape, (h / 3, 6.0 * w), rng, 6) + 0.35 * noise(shape, (3, w / 6), rng, 2)
    rings = np.sin(5 * grain + 1.5 * noise(shape, (h / 2, w / 2), rng, 3))
    plank = shade(np.full((h, w, 3), tone), 0.17 * rings + 0.13 * grain)
    plank = shade(plank, -0.6 * smoothstep(1.9, 2.5, noise(shape, (4, w / 5), rng, 3)))
    for _ in range(rng.integers(1, 4)):
        centre, axes = (int(rng.integers(w)), int(rng.integers(h))), (max(3, h // 9), max(2, h // 14))
        cv2.ellipse(plank, centre, axes, 0, 0, 360, (tone * 0.35).tolist(), -1, cv2.LINE_AA)
    stains = smoothstep(0.8, 2.0, noise(shape, h / 2, rng, 5))
    return shade(mix(plank, rgb("8f8a80"), 0.4 * stains), 0.08 * noise(shape, 4, rng, 2))


def leaf(tone: Array, rng: Rng) -> Array:
    """Upper side of one leaf, the midrib along the middle row; (128, 256, 3)."""
    h, w = 128, 256
    rows, columns = np.mgrid[0:h, 0:w].astype(np.float32)
    aside = np.abs(rows - h / 2)
    veins = np.abs(((columns - 0.9 * aside + 4 * noise((h, w), 80, rng, 2)) / 22) % 1 - 0.5)
    picture = shade(
        np.full((h, w, 3), tone), 0.16 * noise((h, w), 50, rng, 5) + 0.06 * noise((h, w), 5, rng, 2)
    )
    picture = mix(picture, tone * 0.5 + rgb("c9d49a") * 0.5, 0.7 * smoothstep(0.09, 0.0, veins))
    picture = mix(picture, tone * 0.3 + rgb("dfe3b4") * 0.7, smoothstep(5, 2, aside))
    spots = smoothstep(1.5, 1.9, noise((h, w), 24, rng, 3))
    return mix(picture, rgb("8a6a3a"), 0.8 * spots)


def terracotta(shape: tuple[int, int], rng: Rng) -> Array:
    """Fired clay with lime bloom and drips."""
    clay = shade(
        np.full((*shape, 3), rgb("b8663f")), 0.10 * noise(shape, 60, rng, 6) + 0.10 * noise(shape, 5, rng, 2)
    )
    bloom = smoothstep(0.3, 1.8, noise(shape, (140, 40), rng, 6))
    clay = mix(clay, rgb("ddc9b4"), 0.7 * bloom)
    return mix(clay, rgb("4e4a36"), 0.7 * smoothstep(1.2, 1.8, noise(shape, 50, rng, 6)))


def glaze(shape: tuple[int, int], rng: Rng) -> Array:
    """Blue-and-white ware: rows of brush work over a crackled glaze."""
    h, w = shape
    picture = shade(np.full((h, w, 3), rgb("e9e6da")), 0.03 * noise(shape, 30, rng, 5))
    paper, cobalt = rgb("e9e6da"), rgb("274a86")
    for _ in range(150):
        start, bend = rng.uniform((0, 0), (w, h)), rng.uniform(-0.25, 0.25)
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(16, 110)
        t = np.linspace(0, 1, 9)
        stroke = start + length * np.stack(
            [t * np.cos(angle + bend * 9 * t), t * np.sin(angle + bend * 9 * t)], 1
        )
        ink = paper + (cobalt - paper) * rng.uniform(0.5, 1)
        cv2.polylines(
            picture, [stroke.astype(np.int32)], False, ink.tolist(), int(rng.integers(2, 10)), cv2.LINE_AA
        )
    crackle = np.abs(noise(shape, 26, rng, 3))
    return shade(picture, -0.25 * smoothstep(0.05, 0.0, crackle) + 0.03 * noise(shape, 4, rng, 2))


def pebble(tone: Array, rng: Rng) -> Array:
    """Speckled granite with a vein; (256, 512, 3)."""
    shape = (256, 512)
    stone = shade(np.full((*shape, 3), tone), 0.12 * noise(shape, 70, rng, 5))
    stone = mix(stone, rgb("2e2c2b"), 0.75 * smoothstep(0.9, 1.4, noise(shape, 9, rng, 3)))
    stone = mix(stone, rgb("efe9df"), 0.75 * smoothstep(1.1, 1.6, noise(shape, 8, rng, 3)))
    return mix(stone, rgb("e6ded0"), 0.8 * smoothstep(0.06, 0.02, np.abs(noise(shape, 200, rng, 4))))


def tin(shape: tuple[int, int], tone: Array, rng: Rng) -> Array:
    """Painted sheet metal, chipped and rusty."""
    paint = shade(
        np.full((*shape, 3), tone), 0.10 * noise(shape, 90, rng, 6) + 0.05 * noise(shape, 4, rng, 2)
    )
    chips = smoothstep(1.0, 1.15, noise(shape, 45, rng, 6))
    rust = shade(np.full((*shape, 3), rgb("7a4526")), 0.3 * noise(shape, 10, rng, 3))
    return mix(paint, rust, chips)


def page(shape: tuple[int, int], paper: Array, ink: Array, rng: Rng) -> Array:
    """A printed sheet: a picture above, a headline, columns of text."""
    h, w = shape
    sheet = shade(np.full((h, w, 3), paper), 0.04 * noise(shape, 80, rng, 6) + 0.02 * noise(shape, 3, rng, 1))
    sheet = np.ascontiguousarray(sheet)
    edge = w // 12
    palette = [rgb(c) for c in ("2f4858", "c8553d", "e9c46a", "588b8b", "f2e3bc", "7a3b3b", "8fb08c")]
    picture = dead_leaves((int(0.45 * h), w - 2 * edge), (4, w / 5), palette, rng)
    sheet[edge : edge + len(picture), edge : w - edge] = picture
    below = edge + len(picture)
    print_glyphs(sheet, (edge, below + edge // 2, w - edge, below + edge // 2 + w // 5), w // 9, ink, rng)
    for column in range(2):
        left = edge + column * (w - 2 * edge) // 2
        box = (left, below + edge // 2 + w // 5, left + int(0.46 * (w - 2 * edge)), h - edge // 2)
        print_glyphs(sheet, box, max(6, w // 32), ink, rng)
    return shade(sheet, -0.12 * smoothstep(0.4, 2.0, noise(shape, 150, rng, 6)))
