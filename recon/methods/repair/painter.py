"""A small network that continues pictures: what is seen and some noise in, the whole picture out.

A UNet of diffusers on squares of some pixels. It says what the clean picture is, as a difference from
what smooth colours would give; the flow of `painter_flow` follows from that.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from recon.methods.repair.diffusion_pipelines import package
from recon.methods.repair.smooth import smoothly_filled

LEVELS = 4
GROUPS = 8
TIMES = 1000
"""Diffusers count the noise from 0 to this."""


@dataclass(frozen=True)
class PainterConfig:
    """Sizes of the network; stored with its weights."""

    patch: int = 4
    """Side of the squares in pixels. Smaller ones make the first level, which is bound by memory, slower by
    the square of it."""
    width: int = 64
    """Channels of the first level, a multiple of 16; each of the others has half as many more."""
    layers: int = 1
    """Residual blocks a level on the way down; one more on the way up."""


class Painter(nn.Module):
    """See the module's text. Raises MachineError without diffusers."""

    def __init__(self, config: PainterConfig) -> None:
        super().__init__()
        self.config = config
        plain, square = LEVELS - 1, config.patch**2
        self.unet = package("diffusers").UNet2DModel(
            in_channels=7 * square,
            out_channels=3 * square,
            block_out_channels=tuple(config.width * (2 + level) // 2 for level in range(LEVELS)),
            down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",),
            up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * plain,
            layers_per_block=config.layers,
            norm_num_groups=GROUPS,
            attention_head_dim=32,
        )
        # Untaught, it gives the smooth colours.
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)

    @property
    def multiple(self) -> int:
        """Sides of the pictures are multiples of this."""
        return self.config.patch * 2 ** (LEVELS - 1)

    def forward(
        self,
        noisy: Float[Tensor, "b 3 h w"],
        seen: Float[Tensor, "b 3 h w"],
        unseen: Float[Tensor, "b 1 h w"],
        noise: Float[Tensor, " b"],
    ) -> Float[Tensor, "b 3 h w"]:
        """The clean picture, about in [-1, 1] as all of these; `unseen` is 1 where `seen` says nothing, and
        `noise` the share of noise in `noisy`, in (0, 1]."""
        smooth = smoothly_filled(seen, 1 - unseen)
        told = F.pixel_unshuffle(torch.cat([noisy, smooth, unseen], 1), self.config.patch)
        return smooth + F.pixel_shuffle(self.unet(told, noise * TIMES).sample, self.config.patch)
