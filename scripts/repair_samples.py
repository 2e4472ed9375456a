"""Training samples for the painter: pictures of worlds, what of them is seen, and how well."""

import random
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor
from worlds.cameras import VIEWS
from worlds.fields import uniform
from worlds.ring import Ring

from recon.methods.repair.painter_masks import random_unseen

REACH = 12
"""Most pixels that a near thing hides of what stands behind it."""
NEARER = 0.05
"""The most by which the edge of what is seen bends with the depth, as a share of the picture."""
DRAWN = 0.5
"""Share of the samples in which what is seen is blurred and noisy, as drawn by a fit and not photographed."""


class Sample(NamedTuple):
    """`b` pictures; colours in [0, 1]."""

    pictures: Float[Tensor, "b 3 h w"]
    seen: Float[Tensor, "b 3 h w"]
    """What the network is shown."""
    unseen: Float[Tensor, "b 1 h w"]


def draw_sample(ring: Ring, batch: int, side: int, seed: int) -> Sample:
    """`batch` pieces of `side` pixels a side out of the ring's pictures."""
    device = ring.depth.device
    choice, generator = random.Random(seed), Generator(device=device).manual_seed(seed)
    worlds = torch.tensor([choice.randrange(ring.capacity) for _ in range(batch)], device=device)
    views = torch.tensor([choice.randrange(VIEWS) for _ in range(batch)], device=device)
    images, depths, _, _ = ring.read(worlds, views)
    whole = torch.cat([images, depths[:, None]], 1)
    height, width = ring.size
    pieces = []
    for picture in whole:
        top, left = choice.randint(0, height - side), choice.randint(0, width - side)
        piece = picture[:, top : top + side, left : left + side]
        pieces.append(piece.flip(2) if choice.random() < 0.5 else piece)
    pictures, depth = torch.stack(pieces).split([3, 1], 1)
    near = nearness(depth)
    bend = uniform((batch, 1, 1), generator, -NEARER, NEARER)
    unseen = random_unseen(batch, (side, side), generator, bend * near[:, 0])
    unseen = torch.maximum(unseen, hidden(near, generator))
    return Sample(pictures, as_drawn(pictures, generator), unseen)


def nearness(depth: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Inverse depth, 1 at the nearest of each picture; 0 where nothing stands."""
    inverse = torch.where(depth > 0, 1 / depth.clamp_min(1e-6), 0.0)
    return inverse / inverse.amax((1, 2, 3), keepdim=True).clamp_min(1e-6)


def hidden(near: Float[Tensor, "b 1 h w"], generator: Generator) -> Float[Tensor, "b 1 h w"]:
    """1 beside nearer things, on one side: what they hide from a photo taken a little aside."""
    most = uniform((len(near), 1, 1, 1), generator, -REACH, REACH)
    most = torch.where(uniform(most.shape, generator) < 0.5, most, 0.0)
    found = torch.zeros_like(near)
    for step in range(1, REACH):
        for sign in (-1, 1):
            beside = near.roll(sign * step, 3)
            # A thing this far aside moves over the pixel if it moves further by so much.
            moved = (beside - near).clamp_min(0) * most * sign
            found = torch.maximum(found, (moved >= step - 0.5).float())
    return found


def as_drawn(pictures: Float[Tensor, "b 3 h w"], generator: Generator) -> Float[Tensor, "b 3 h w"]:
    """Some of the pictures less sharp and with noise."""
    shape = (len(pictures), 1, 1, 1)
    blur = uniform(shape, generator) * (uniform(shape, generator) < DRAWN)
    soft = F.avg_pool2d(F.pad(pictures, (2, 2, 2, 2), mode="replicate"), 5, 1)
    noise = torch.randn(pictures.shape, generator=generator, device=generator.device)
    return (torch.lerp(pictures, soft, blur) + 0.03 * blur * noise).clamp(0, 1)
