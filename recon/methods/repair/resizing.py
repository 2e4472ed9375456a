"""Pictures at the sizes that a painting network works on, and back."""

from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from recon.resize import averaged

Make = Callable[[Tensor, Tensor], Tensor]
"""A picture (3, h, w) for a picture (3, h, w) and a mask (1, h, w) of what is wanted, 1 or 0."""


def at_most(
    max_size: int,
    multiple: int,
    rgb: Float[Tensor, "h w 3"],
    unseen: Bool[Tensor, "h w"],
    make: Make,
) -> Float[Tensor, "h w 3"]:
    """What `make` gives for a picture whose longer side is at most `max_size`, with sides that are whole
    multiples; in [0, 1], at the size of `rgb`."""
    height, width = unseen.shape
    size = reduced_size(height, width, max_size)
    image = padded(averaged(rgb.permute(2, 0, 1), size), multiple)
    # A pixel with anything unseen in it is unseen.
    mask = padded((averaged(unseen[None].to(rgb), size) > 0).to(rgb), multiple)
    made = make(image, mask)
    return enlarged(made[None, :, : size[1], : size[0]], (height, width))


def reduced_size(height: int, width: int, max_size: int) -> tuple[int, int]:
    """(width, height) of a picture whose longer side is made `max_size` if it is more."""
    scale = min(1.0, max_size / max(height, width))
    return max(1, round(scale * width)), max(1, round(scale * height))


def padded(x: Float[Tensor, "c _h _w"], multiple: int) -> Float[Tensor, "c _i _j"]:
    """The picture with its last row and column repeated, up to sides that are whole multiples."""
    return F.pad(x, (0, -x.shape[2] % multiple, 0, -x.shape[1] % multiple), mode="replicate")


def enlarged(x: Float[Tensor, "1 3 _h _w"], size: tuple[int, int]) -> Float[Tensor, "h w 3"]:
    """The picture at (height, width), in between by lines."""
    if x.shape[2:] != size:
        x = F.interpolate(x, size, mode="bilinear", align_corners=False)
    return x[0].permute(1, 2, 0).clamp(0, 1)
