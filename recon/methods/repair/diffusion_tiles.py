"""Pictures larger than a device has room for: painted in tiles that overlap and fade into each other.

A tile is painted without knowledge of the others, so in the overlap two pictures are mixed. Their weights
change smoothly and fall to nothing at a tile's edge: no seam shows, but what is drawn there may be soft.
"""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import MachineError

logger = logging.getLogger(__name__)

OVERLAP = 0.25
"""Least share of a tile's side that the next one covers too: that of diffusers' tiles in the autoencoder."""
LEAST_TILE = 4
"""Least side of a tile in multiples of what the model works in: 256 pixels for Stable Diffusion, which has
learnt on 512 and draws little that makes sense of still smaller pieces."""

Paint = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""A model's picture (3, h, w) for a picture (3, h, w), a mask (1, h, w) of what is wanted, 1 or 0, and random
numbers; raises torch.OutOfMemoryError where the device has no room for it."""


@dataclass
class Room:
    """What a device has room for, learnt by failing: what was too much once is not tried again."""

    side: float = math.inf
    """Longest side, in pixels, of what is painted in one piece."""
    divides: bool = False
    """Whether a picture was too much before, and the autoencoder goes over it in tiles."""


def painted_within(
    room: Room,
    pipeline: Any,
    paint: Paint,
    image: Float[Tensor, "3 h w"],
    mask: Float[Tensor, "1 h w"],
    seed: int,
    multiple: int,
) -> Float[Tensor, "3 h w"]:
    """The model's picture in as few pieces as the device has room for.

    First the autoencoder of `pipeline` alone goes over it in tiles, by diffusers' own means; then all of the
    model, in tiles of half the side, and half of that, down to LEAST_TILE times `multiple`. The first time
    a warning says so. Sides of the picture are multiples of `multiple`, and so are those of the tiles.
    Raises MachineError if the least tile is too large."""
    height, width = mask.shape[1:]
    least = LEAST_TILE * multiple
    while True:
        side = int(min(room.side, max(height, width)))
        try:
            # On the host: the same noise on every device; begun anew for every attempt.
            return painted_in_tiles(paint, image, mask, side, torch.Generator().manual_seed(seed))
        except torch.OutOfMemoryError as error:
            if room.divides and side <= least:
                raise MachineError(
                    f"The painting model has no room on the device even for tiles of {side} pixels a side; "
                    "free some of its memory, take a smaller model, or leave out --repair."
                ) from error
        # Only out here is the memory free again: the error held on to all that was under way.
        if room.divides:
            room.side = float(max(least, halved(side, multiple)))
        else:
            logger.warning(
                "The device has no room for a diffusion picture of %d x %d pixels: from here on they are "
                "made in pieces, which a lower --repairing.diffusion.max-size avoids.",
                width,
                height,
            )
            # Slices of attention, the other means of diffusers, only slow down what torch does by itself.
            pipeline.vae.enable_tiling()
            room.divides = True


def painted_in_tiles(
    paint: Paint,
    image: Float[Tensor, "3 h w"],
    mask: Float[Tensor, "1 h w"],
    side: int,
    generator: torch.Generator,
) -> Float[Tensor, "3 h w"]:
    """The model's picture from tiles of `side` pixels, or less where the picture has less; in one piece where
    that is enough.

    Tiles without a wanted pixel are left out, so that pixels of no tile keep the colours of `image`. Noise is
    drawn on from tile to tile: none repeats another."""
    height, width = mask.shape[1:]
    if side >= max(height, width):
        return paint(image, mask, generator)
    total, weights = torch.zeros_like(image), torch.zeros_like(mask)
    for rows, columns in tiles(height, width, side):
        piece = mask[:, rows, columns]
        if not piece.any():
            continue
        weight = fading(piece)
        total[:, rows, columns] += weight * paint(image[:, rows, columns], piece, generator)
        weights[:, rows, columns] += weight
    return torch.where(weights > 0, total / weights, image)


def tiles(height: int, width: int, side: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of tiles that cover a picture."""
    for top in starts(height, side):
        for left in starts(width, side):
            yield slice(top, top + min(side, height)), slice(left, left + min(side, width))


def starts(length: int, side: int) -> list[int]:
    """First pixels of pieces of `side` pixels that cover `length`, evenly spread, each sharing at least
    OVERLAP of its own with the next; a single one where `side` is enough."""
    if length <= side:
        return [0]
    count = math.ceil((length - OVERLAP * side) / ((1 - OVERLAP) * side))
    return [number * (length - side) // (count - 1) for number in range(count)]


def fading(piece: Float[Tensor, "1 h w"]) -> Float[Tensor, "1 h w"]:
    """Weights of a tile's pixels: 1 in its middle, falling smoothly to nearly 0 at its edges; never 0, for
    at the picture's border a tile is alone."""
    # Hann's window, whose two zeros lie a pixel outside.
    rows, columns = (torch.hann_window(n + 2, periodic=False)[1:-1] for n in piece.shape[1:])
    return torch.outer(rows, columns)[None].to(piece)


def halved(side: int, multiple: int) -> int:
    """Half of it, up to a whole multiple."""
    return math.ceil(side / 2 / multiple) * multiple
