"""A bank of textures, from plain plaster to dead leaves, with levels of detail, and how it is read."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Generator, Tensor

from worlds.fields import FIELDS, REGULAR, fractal, mixed, uniform, whole


class Bank(NamedTuple):
    """Textures of equal size, each with all its levels of detail in a row, finest first."""

    texels: Float[Tensor, "k l 3"]
    """Colours in [0, 1], half precision."""
    cuts: Float[Tensor, "c m m"]
    """Stencils of flat things, 1 where there is something; the first is whole."""
    size: int
    """Side of the finest level in texels, a power of two."""


def make_bank(count: int, size: int, generator: Generator) -> Bank:
    """`count` textures of `size` squared, on the generator's device; the shares are those of `KINDS`."""
    made = [kind(max(1, round(share * count)), size, generator) for kind, share in KINDS]
    colours = torch.cat(made)
    level, levels = colours, []
    while level.shape[-1] >= 1:
        levels.append(level.flatten(2))
        if level.shape[-1] == 1:
            break
        level = F.avg_pool2d(level, 2)
    texels = torch.cat(levels, dim=2).transpose(1, 2).to(torch.float16)
    return Bank(texels.contiguous(), stencils(64, 64, generator), size)


def read(
    bank: Bank, index: Int[Tensor, " n"], uv: Float[Tensor, "n 2"], footprint: Float[Tensor, " n"]
) -> Float[Tensor, "n 3"]:
    """Colours of textures `index` at `uv` (repeating with period 1), where a pixel covers `footprint` of a
    period: bilinear, from the level whose texels are about as large."""
    finest = math.log2(bank.size)
    level = (torch.log2(footprint.clamp_min(1e-9)) + finest).round().clamp(0, finest).long()
    size = bank.size >> level
    # 4^n + 4^(n-1) + ... down to the level: a geometric series.
    start = (4 * (bank.size**2 - size**2)) // 3
    at = uv * size[:, None] - 0.5
    corner = at.floor()
    share = at - corner
    x, y = corner.long().unbind(-1)
    total = torch.zeros_like(uv[:, :1])
    for dy in (0, 1):
        for dx in (0, 1):
            place = start + torch.remainder(y + dy, size) * size + torch.remainder(x + dx, size)
            weight = (share[:, 0] if dx else 1 - share[:, 0]) * (share[:, 1] if dy else 1 - share[:, 1])
            total = total + weight[:, None] * bank.texels[index, place].float()
    return total


def palette(count: int, generator: Generator) -> Float[Tensor, "k 3 1 1"]:
    """Random colours: any brightness, seldom garish."""
    grey = uniform((count, 1, 1, 1), generator, 0.05, 0.95)
    tint = uniform((count, 3, 1, 1), generator, -0.4, 0.4) * uniform((count, 1, 1, 1), generator) ** 2
    return (grey + tint).clamp(0.02, 0.98)


def ramp(field: Float[Tensor, "k n n"], generator: Generator) -> Float[Tensor, "k 3 n n"]:
    """The field through three colours."""
    low, middle, high = (palette(len(field), generator) for _ in range(3))
    t = 2 * field[:, None]
    return torch.where(t < 1, torch.lerp(low, middle, t), torch.lerp(middle, high, t - 1))


def two_tone(count: int, size: int, generator: Generator) -> Float[Tensor, "k 3 n n"]:
    """Two thresholded fields joined by AND, OR or XOR, in two colours (the recipe of SimpleProc,
    arXiv 2604.04925), faintly stained."""
    first, second = (
        mixed(FIELDS, count, size, generator) > uniform((count, 1, 1), generator, 0.3, 0.7) for _ in "ab"
    )
    rule = whole((count, 1, 1), generator, 0, 3)
    joined = torch.where(rule == 0, first & second, torch.where(rule == 1, first | second, first ^ second))
    mask = torch.where(rule == 3, first, joined)[:, None]
    stain = uniform((count, 1, 1, 1), generator, 0.0, 0.3) * (fractal(count, size, generator)[:, None] - 0.5)
    return torch.where(mask, palette(count, generator), palette(count, generator)) + stain


def shaded(count: int, size: int, generator: Generator) -> Float[Tensor, "k 3 n n"]:
    """Any field in a ramp of three colours."""
    return ramp(mixed(FIELDS, count, size, generator), generator)


def repetitive(count: int, size: int, generator: Generator) -> Float[Tensor, "k 3 n n"]:
    """A regular pattern, the same every few texels."""
    fields = mixed(REGULAR, count, size // 2, generator).repeat(1, 2, 2)
    return torch.lerp(palette(count, generator), palette(count, generator), fields[:, None])


def plaster(count: int, size: int, generator: Generator) -> Float[Tensor, "k 3 n n"]:
    """One colour, roughened by a few hundredths."""
    contrast = uniform((count, 1, 1, 1), generator, 0.02, 0.1)
    return palette(count, generator) + contrast * (fractal(count, size, generator)[:, None] - 0.5)


def plain(count: int, size: int, generator: Generator) -> Float[Tensor, "k 3 n n"]:
    """One colour, all but uniform."""
    contrast = uniform((count, 1, 1, 1), generator, 0.0, 0.015)
    return palette(count, generator) + contrast * (fractal(count, size, generator)[:, None] - 0.5)


def dead_leaves(count: int, size: int, generator: Generator) -> Float[Tensor, "k 3 n n"]:
    """Discs and boxes that hide one another, radii by r^-3: the statistics of natural pictures (Lee, Mumford
    and Huang, IJCV 2001)."""
    at = (torch.arange(size, device=generator.device) + 0.5) / size
    x, y = at[None, None, :], at[None, :, None]
    picture = palette(count, generator).expand(count, 3, size, size).clone()
    least, most = 1.5 / size, 0.3
    for _ in range(LEAVES):
        share = uniform((count, 1, 1), generator)
        radius = (least**-2 + share * (most**-2 - least**-2)) ** -0.5
        # The few large leaves come among very many small ones: half are drawn log-uniform to cover sooner.
        radius = torch.where(uniform((count, 1, 1), generator) < 0.5, radius, least * (most / least) ** share)
        cx, cy = uniform((2, count, 1, 1), generator)
        dx, dy = ((x - cx + 0.5) % 1 - 0.5).abs(), ((y - cy + 0.5) % 1 - 0.5).abs()
        box = uniform((count, 1, 1), generator) < 0.3
        covers = torch.where(box, torch.maximum(dx, 2 * dy) < radius, dx**2 + dy**2 < radius**2)
        picture = torch.where(covers[:, None], palette(count, generator), picture)
    return picture


LEAVES = 400
"""Leaves a picture: enough to hide the ground nearly everywhere."""

KINDS = (
    (two_tone, 0.27),
    (shaded, 0.18),
    (dead_leaves, 0.15),
    (repetitive, 0.1),
    (plaster, 0.12),
    (plain, 0.18),
)
"""Kinds of texture with their shares; about a fifth is nearly uniform, as walls are."""


def stencils(count: int, size: int, generator: Generator) -> Float[Tensor, "c m m"]:
    """Outlines for flat things: whole, discs, petals, lattices, torn shapes; 1 is solid."""
    at = (torch.arange(size, device=generator.device) + 0.5) / size * 2 - 1
    x, y = at[None, None, :], at[None, :, None]
    radius, angle = (x**2 + y**2).sqrt(), torch.atan2(y, x)
    lobes, depth = whole((count, 1, 1), generator, 0, 7), uniform((count, 1, 1), generator, 0.0, 0.6)
    petals = radius < 0.97 - depth * (0.5 + 0.5 * torch.sin(lobes * angle))
    bars = whole((count, 1, 1), generator, 2, 6)
    lattice = ((x * bars) % 1 < 0.35) | ((y * bars) % 1 < 0.35)
    torn = fractal(count, size, generator) > uniform((count, 1, 1), generator, 0.35, 0.55)
    kind = whole((count, 1, 1), generator, 0, 3)
    cut = torch.where(kind == 0, petals, torch.where(kind == 1, lattice, torch.where(kind == 2, torn, True)))
    cut[0] = True
    return cut.float()
