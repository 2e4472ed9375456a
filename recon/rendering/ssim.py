"""Structural similarity (SSIM, Wang et al. 2004) as 3D Gaussian Splatting measures it, differentiable.

An 11x11 Gaussian window of deviation 1.5, zeros outside the image, C1 = 0.01^2, C2 = 0.03^2, the mean over
the channels.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.rendering.core import Core, load_core

WINDOW = 11
DEVIATION = 1.5
C1, C2 = 0.01**2, 0.03**2
"""(0.01 L)^2 and (0.03 L)^2 for values in [0, L = 1]."""


def ssim(a: Float[Tensor, "h w 3"], b: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w"]:
    """Similarity around each pixel, in [-1, 1]; 1 where the images agree. Its mean is the usual score.

    Float32 on the CPU goes to the compiled core where only `a` needs a gradient, everything else to torch.
    Raises MachineError if that core is missing."""
    if a.device.type == "cpu" and a.dtype == b.dtype == torch.float32 and not b.requires_grad:
        return _CoreSsim.apply(load_core(), a, b)
    return ssim_torch(a, b)


def ssim_torch(a: Float[Tensor, "h w 3"], b: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w"]:
    """`ssim` on any device, in any float type, differentiable in both images."""
    offsets = torch.arange(WINDOW, device=a.device, dtype=a.dtype) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * DEVIATION**2))
    window = window / window.sum()
    # All 15 maps in one convolution per axis: on a GPU the launches cost more than the arithmetic.
    maps = torch.stack([a, b, a * a, b * b, a * b]).permute(0, 3, 1, 2).flatten(0, 1)[:, None]
    maps = torch.nn.functional.conv2d(maps, window.view(1, 1, 1, -1), padding=(0, WINDOW // 2))
    maps = torch.nn.functional.conv2d(maps, window.view(1, 1, -1, 1), padding=(WINDOW // 2, 0))
    mean_a, mean_b, mean_aa, mean_bb, mean_ab = maps.view(5, 3, *a.shape[:2])
    product, squares = mean_a * mean_b, mean_a**2 + mean_b**2
    luminance = (2 * product + C1) / (squares + C1)
    contrast = (2 * (mean_ab - product) + C2) / (mean_aa + mean_bb - squares + C2)
    return (luminance * contrast).mean(0)


class _CoreSsim(torch.autograd.Function):
    """`ssim` by the compiled core, differentiable in the first image."""

    @staticmethod
    def forward(ctx: Any, core: Core, a: Tensor, b: Tensor) -> Tensor:
        height, width = a.shape[:2]
        a, b, similarity = a.contiguous(), b.contiguous(), a.new_empty(height, width)
        partials = a.new_empty(3, *a.shape) if ctx.needs_input_grad[1] else None
        core.call("ssim", a.dtype, torch.get_num_threads(), a, b, width, height, similarity, partials)
        ctx.core = core
        ctx.save_for_backward(a, b, partials)
        return similarity

    @staticmethod
    @once_differentiable  # pyright's idea of the decorated method differs from torch's
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[None, Tensor, None]:
        a, b, partials = ctx.saved_tensors
        height, width = a.shape[:2]
        v_a, v_map = torch.empty_like(a), gradients[0].contiguous()
        threads = torch.get_num_threads()
        ctx.core.call("ssim_vjp", a.dtype, threads, a, b, width, height, partials, v_map, v_a)
        return None, v_a, None
