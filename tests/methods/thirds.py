"""A picture for tests of repair: of each third another number of photos sees the surface."""

import torch
from torch import Tensor

from recon.methods.repair.warps import Warps


def thirds(size: tuple[int, int]) -> tuple[Tensor, Warps, Tensor]:
    """A picture of which two photos explain the left third, one sees the middle in another colour, and none
    sees the right; and the number of the third, for each pixel."""
    generator = torch.Generator().manual_seed(3)
    rgb = 0.2 + 0.6 * torch.rand(*size, 3, generator=generator)
    third = (torch.arange(size[1]) * 3 // size[1]).expand(size)
    photos = torch.stack([rgb + 0.01, rgb - 0.01])
    photos[0][third == 1] += 0.15
    errors = torch.zeros(2, *size)
    errors[:, third == 2] = torch.inf
    errors[1, third == 1] = 0.5
    ones = torch.ones(2, *size)
    return rgb, Warps(photos, errors, ones, ones), third
