"""What each photo brings: features to match at 1/4 and 1/8 of its size, and the reference's context."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from recon.methods.priors.learned.blocks import Residual, conv


class Features(NamedTuple):
    """Of one size of photo."""

    quarter: Float[Tensor, "b _c _h _w"]
    """To match at 1/4 of the size, in single precision."""
    eighth: Float[Tensor, "b _d _k _l"]
    """To match at 1/8."""
    trunk: Float[Tensor, "b _e _h _w"]
    """At 1/4, for the context."""


class MatchingEncoder(nn.Module):
    """Shared by all photos: residual blocks down to 1/8, read out at two sizes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 2 * width, 2, 7), Residual(2 * width, 2 * width))
        self.quarter = nn.Sequential(Residual(2 * width, 4 * width, 2), Residual(4 * width, 4 * width))
        self.eighth = nn.Sequential(Residual(4 * width, 6 * width, 2), Residual(6 * width, 6 * width))
        self.out_eighth = nn.Conv2d(6 * width, 3 * width, 1)
        self.side = nn.Conv2d(4 * width, 2 * width, 1)
        self.top = nn.Conv2d(6 * width, 2 * width, 1)
        self.out_quarter = nn.Conv2d(2 * width, 2 * width, 3, 1, 1)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Features:
        """`images` in [0, 1], sides multiples of 32."""
        quarter = self.quarter(self.stem(2 * images - 1))
        eighth = self.eighth(quarter)
        merged = self.side(quarter) + F.interpolate(self.top(eighth), scale_factor=2)
        # Once here, not at each of the many times they are read.
        at_quarter, at_eighth = self.out_quarter(merged).float(), self.out_eighth(eighth).float()
        return Features(at_quarter.contiguous(), at_eighth.contiguous(), quarter)


class Context(NamedTuple):
    """What the reference alone tells."""

    hidden: Float[Tensor, "b _c h w"]
    """First state of the refinement, in (-1, 1), at 1/4."""
    inputs: Float[Tensor, "b _d h w"]
    """To every step of it."""
    volume: Float[Tensor, "b _e _k _l"]
    """Into the matching volume, at 1/8."""


class ContextEncoder(nn.Module):
    """A U-Net down to 1/32: large enough to know a blank wall by its frame."""

    def __init__(self, width: int, volume: int, hidden: int) -> None:
        super().__init__()
        w = width
        self.eighth = Residual(4 * w, 5 * w, 2)
        self.sixteenth = Residual(5 * w, 7 * w, 2)
        self.deepest = nn.Sequential(Residual(7 * w, 9 * w, 2), Residual(9 * w, 9 * w))
        self.to_sixteenth = conv(16 * w, 7 * w)
        self.to_eighth = conv(12 * w, 5 * w)
        self.to_quarter = conv(9 * w, 5 * w)
        self.volume = nn.Conv2d(5 * w, volume, 1)
        self.hidden = nn.Conv2d(5 * w, hidden, 1)
        self.inputs = nn.Conv2d(5 * w, hidden, 1)

    def forward(self, trunk: Float[Tensor, "b c h w"]) -> Context:
        eighth = self.eighth(trunk)
        sixteenth = self.sixteenth(eighth)
        up = self.to_sixteenth(_joined(self.deepest(sixteenth), sixteenth))
        up = self.to_eighth(_joined(up, eighth))
        quarter = self.to_quarter(_joined(up, trunk))
        return Context(self.hidden(quarter).tanh(), self.inputs(quarter).relu(), self.volume(up))


def _joined(
    coarse: Float[Tensor, "b _c _h _w"], fine: Float[Tensor, "b _d _k _l"]
) -> Float[Tensor, "b _e _k _l"]:
    return torch.cat([F.interpolate(coarse, scale_factor=2), fine], dim=1)
