"""Random masks in the shapes of what photos do not see: strips past their edges, slivers beside things."""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor

MOST = 0.4
"""Widest strip, as a share of the picture: as far as the border of the first Gaussians reaches."""
FRAMED = 0.4
"""Share of the pictures with nothing seen along all four edges, as around a photo; of others, along one or
two."""
SLIVERS = 3
"""Most slivers a picture."""
THICK = 0.04
"""Thickest sliver, as a share of the picture."""


def random_unseen(
    count: int,
    size: tuple[int, int],
    generator: Generator,
    parallax: Float[Tensor, "b h w"] | None = None,
) -> Float[Tensor, "b 1 h w"]:
    """1 where nothing is seen; something always is, and something never. On the generator's device.

    `parallax`, a share of the picture, is how far the surface of a pixel moves the edge of what is seen."""
    x, y = grid(size, generator)
    if parallax is not None:
        x, y = x + parallax, y + parallax
    sides = _uniform((4, count, 1, 1), generator)
    framed = _uniform((count, 1, 1), generator) < FRAMED
    width = MOST * _uniform((4, count, 1, 1), generator, 0.05, 1.0)
    # Two strips of the widest kind would leave a fifth: facing ones share it.
    width = torch.where(framed, 0.6 * width, width)
    first = torch.randint(4, (count, 1, 1), generator=generator, device=generator.device)
    unseen = torch.zeros(count, *size, dtype=torch.bool, device=generator.device)
    for side, depth in enumerate((x, 1 - x, y, 1 - y)):
        across = y if side < 2 else x
        slant = _uniform((count, 1, 1), generator, -0.2, 0.2)
        wave = 0.02 * _uniform((count, 1, 1), generator) ** 2
        phase, pitch = _uniform((2, count, 1, 1), generator, 4.0, 40.0)
        edge = width[side] + slant * (across - 0.5) + wave * torch.sin(pitch * across + phase)
        beside = (first + 2) % 4 == side
        wanted = framed | (first == side) | ((sides[side] < 0.3) & ~beside)
        unseen |= wanted & (depth < edge)
    for _ in range(SLIVERS):
        unseen |= sliver(count, size, generator)
    # Whatever fell out: nothing is seen in a corner, and something in the middle.
    unseen[:, :2, :2] = True
    unseen[:, size[0] // 2, size[1] // 2] = False
    return unseen[:, None].float()


def sliver(count: int, size: tuple[int, int], generator: Generator) -> Tensor:
    """(b, h, w): a bent band a picture, or none; what a thing hides from one photo and not from another."""
    x, y = grid(size, generator)
    u, v, turn, bend, thick, long = _uniform((6, count, 1, 1), generator)
    angle = math.pi * turn
    along = (x - u) * angle.cos() + (y - v) * angle.sin()
    across = (y - v) * angle.cos() - (x - u) * angle.sin() + 2 * (bend - 0.5) * along**2
    there = _uniform((count, 1, 1), generator) < 0.5
    return there & (across.abs() < 0.5 * THICK * thick) & (along.abs() < 0.4 * long)


def grid(size: tuple[int, int], generator: Generator) -> tuple[Tensor, Tensor]:
    """x and y of the pixel centres as shares of the picture, (1, h, w) each."""
    y, x = ((torch.arange(n, device=generator.device) + 0.5) / n for n in size)
    return x[None, None, :].expand(1, *size), y[None, :, None].expand(1, *size)


def _uniform(shape: tuple[int, ...], generator: Generator, low: float = 0.0, high: float = 1.0) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device) * (high - low) + low
