"""Scalar patterns in [0, 1], `k n n`, that tile: their edges meet. The letters of all textures."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

Field = Callable[[int, int, Generator], Tensor]


def uniform(shape: tuple[int, ...], generator: Generator, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Random numbers in [low, high), on the generator's device."""
    return torch.rand(shape, generator=generator, device=generator.device) * (high - low) + low


def whole(shape: tuple[int, ...], generator: Generator, low: int, high: int) -> Tensor:
    """Random whole numbers from low to high, both included, as floats."""
    return torch.randint(low, high + 1, shape, generator=generator, device=generator.device).float()


def normalised(field: Float[Tensor, "k n n"]) -> Float[Tensor, "k n n"]:
    """Each field stretched to [0, 1]."""
    low, high = field.amin((1, 2), keepdim=True), field.amax((1, 2), keepdim=True)
    return (field - low) / (high - low).clamp_min(1e-6)


def axes(size: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """(x, y) of the texel centres in [0, 1), each (1, n, n)."""
    at = (torch.arange(size, device=generator.device) + 0.5) / size
    return at[None, None, :].expand(1, size, size), at[None, :, None].expand(1, size, size)


def fractal(count: int, size: int, generator: Generator) -> Float[Tensor, "k n n"]:
    """Fractal noise, spectrum f^-b with b from 1 (rough) to 2 (cloudy), without waves longer than a random
    length."""
    noise = torch.randn((count, size, size), generator=generator, device=generator.device)
    fy = torch.fft.fftfreq(size, device=generator.device)[:, None] * size
    fx = torch.fft.rfftfreq(size, device=generator.device)[None] * size
    frequency = (fx**2 + fy**2).sqrt()
    slope = uniform((count, 1, 1), generator, 1.0, 2.0)
    longest = 2 ** uniform((count, 1, 1), generator, 0.0, 4.0)
    gain = torch.where(frequency >= longest, frequency.clamp_min(1.0) ** -slope, 0.0)
    return normalised(torch.fft.irfft2(torch.fft.rfft2(noise) * gain, s=(size, size)))


def ridged(count: int, size: int, generator: Generator) -> Float[Tensor, "k n n"]:
    """Bright veins: one minus the distance of fractal noise from its middle."""
    return normalised(1 - (fractal(count, size, generator) - 0.5).abs())


def cells(count: int, size: int, generator: Generator) -> Float[Tensor, "k n n"]:
    """Worley noise: distance to the nearest of some random points, or that of the second less it."""
    x, y = axes(size, generator)
    nearest = torch.full((count, size, size), math.inf, device=generator.device)
    second = nearest.clone()
    points = int(whole((1,), generator, 12, 60))
    for px, py in uniform((points, 2, count, 1, 1), generator):
        dx, dy = (x - px).abs(), (y - py).abs()
        distance = torch.minimum(dx, 1 - dx) ** 2 + torch.minimum(dy, 1 - dy) ** 2
        second = torch.minimum(second, torch.maximum(nearest, distance))
        nearest = torch.minimum(nearest, distance)
    borders = uniform((count, 1, 1), generator) < 0.5
    return normalised(torch.where(borders, second.sqrt() - nearest.sqrt(), nearest.sqrt()))


def waves(count: int, size: int, generator: Generator) -> Float[Tensor, "k n n"]:
    """Sine waves in one direction, bent by fractal noise: wood, water, cloth."""
    x, y = axes(size, generator)
    kx, ky = whole((2, count, 1, 1), generator, -12, 12)
    bend = uniform((count, 1, 1), generator, 0.0, 6.0) * fractal(count, size, generator)
    return 0.5 + 0.5 * torch.sin(2 * math.pi * (kx * x + (ky + (kx == 0) * (ky == 0)) * y) + bend)


def bricks(count: int, size: int, generator: Generator) -> Float[Tensor, "k n n"]:
    """Rows of bricks between dark joints, each brick of its own tone."""
    x, y = axes(size, generator)
    rows, columns = 2 * whole((count, 1, 1), generator, 2, 8), whole((count, 1, 1), generator, 2, 8)
    shift = uniform((count, 1, 1), generator, 0.0, 0.5).round()
    v, u = y * rows, x * columns
    u = (u + shift * (v.floor() % 2)) % columns
    joint = uniform((count, 1, 1), generator, 0.02, 0.15)
    inside = ((u % 1) > joint) & ((v % 1) > joint * rows / columns)
    tone = torch.sin(u.floor() * 12.9898 + v.floor() * 78.233) * 43758.5453
    return inside * (0.5 + 0.5 * (tone % 1))


def stripes(count: int, size: int, generator: Generator) -> Float[Tensor, "k n n"]:
    """Straight bands of unequal widths, along one axis or across both as a check."""
    x, y = axes(size, generator)
    along, across = whole((2, count, 1, 1), generator, 2, 20)
    check = uniform((count, 1, 1), generator) < 0.4
    wide = uniform((count, 1, 1), generator, 0.3, 0.7)
    bands = ((x * along) % 1 < wide).float()
    crossing = ((y * across) % 1 < wide).float()
    return torch.where(check, (bands - crossing).abs(), bands)


def glyphs(count: int, size: int, generator: Generator) -> Float[Tensor, "k n n"]:
    """Lines of random letters: small symmetric patterns with gaps between them."""
    x, y = axes(size, generator)
    columns = int(whole((1,), generator, 8, 24))
    rows = columns // 2
    letters = uniform((count, rows, columns, 5, 2), generator) < 0.55
    mirrored = torch.cat([letters, letters[..., :1]], -1)
    column, row = (x * columns).long(), (y * rows).long()
    u, v = (x * columns % 1 * 4.2).long(), (y * rows % 1 * 8).long()
    ink = mirrored[:, row[0], column[0], v[0].clamp_max(4), u[0].clamp_max(2)]
    return (ink & (u < 3) & (v < 5)).float()


FIELDS: tuple[Field, ...] = (fractal, ridged, cells, waves, bricks, stripes, glyphs)
REGULAR: tuple[Field, ...] = (bricks, stripes, glyphs, waves)


def mixed(families: tuple[Field, ...], count: int, size: int, generator: Generator) -> Float[Tensor, "k n n"]:
    """`count` fields, as many of each family, in random order."""
    share = -(-count // len(families))
    fields = torch.cat([family(share, size, generator) for family in families])
    return fields[torch.randperm(len(fields), generator=generator, device=generator.device)[:count]]
