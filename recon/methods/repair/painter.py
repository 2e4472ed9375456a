"""A small network that continues pictures: what is seen and some noise in, the whole picture out.

A UNet of diffusers on squares of two by two pixels. It says what the clean picture is, as a difference from
what smooth colours would give; the flow of `painter_flow` follows from that.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from recon.methods.repair.diffusion_pipelines import package

PATCH = 2
"""Side of the squares: at full size the UNet's first level would take three times as long."""
LEVELS = 4
MULTIPLE = PATCH * 2 ** (LEVELS - 1)
"""Sides of the pictures are multiples of this."""
GROUPS = 8
TIMES = 1000
"""Diffusers count the noise from 0 to this."""


@dataclass(frozen=True)
class PainterConfig:
    """Sizes of the network; stored with its weights."""

    width: int = 32
    """Channels of the first level, a multiple of 8; the others have two, three and four times as many."""
    layers: int = 1
    """Residual blocks a level on the way down; one more on the way up."""


class Painter(nn.Module):
    """See the module's text. Raises MachineError without diffusers."""

    def __init__(self, config: PainterConfig) -> None:
        super().__init__()
        self.config = config
        plain = LEVELS - 1
        self.unet = package("diffusers").UNet2DModel(
            in_channels=7 * PATCH**2,
            out_channels=3 * PATCH**2,
            block_out_channels=tuple(config.width * (level + 1) for level in range(LEVELS)),
            down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",),
            up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * plain,
            layers_per_block=config.layers,
            norm_num_groups=GROUPS,
            attention_head_dim=32,
        )
        # Untaught, it gives the smooth colours.
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)

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
        told = F.pixel_unshuffle(torch.cat([noisy, smooth, unseen], 1), PATCH)
        return smooth + F.pixel_shuffle(self.unet(told, noise * TIMES).sample, PATCH)


def smoothly_filled(
    rgb: Float[Tensor, "b 3 h w"], weight: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, "b 3 h w"]:
    """The colours where the weight is 1; elsewhere means of what is near, from a pyramid (pull-push, Gortler
    et al., The lumigraph, 1996)."""
    if min(rgb.shape[2:]) == 1:
        mean = (rgb * weight).sum((2, 3), keepdim=True) / weight.sum((2, 3), keepdim=True).clamp_min(1e-6)
        return torch.where(weight > 0, rgb, mean)
    total, mass = (F.avg_pool2d(x, 2, ceil_mode=True) for x in (rgb * weight, weight))
    coarse = smoothly_filled(total / mass.clamp_min(1e-6), (mass * 4).clamp_max(1))
    upper = F.interpolate(coarse, rgb.shape[2:], mode="bilinear", align_corners=False)
    return weight * rgb + (1 - weight) * upper
