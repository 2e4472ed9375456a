"""Losses shared by the methods: tensors in, one scalar out; no weights, steps or state."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.rendering.graphs import graphed
from recon.rendering.ssim import ssim


def masked_mean(x: Float[Tensor, "h w"], mask: Bool[Tensor, "h w"] | None) -> Float[Tensor, ""]:
    """Mean of `x` where `mask` is true, 0 where it never is; the plain mean without a mask."""
    if mask is None:
        return x.mean()
    # Multiplying, not indexing: an index would wait for the GPU to count the mask.
    return torch.where(mask, x, torch.zeros_like(x)).sum() / mask.sum().clamp_min(1)


def l1_loss(
    rgb: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"], mask: Bool[Tensor, "h w"] | None = None
) -> Float[Tensor, ""]:
    """Mean absolute difference, in [0, 1] for colours in [0, 1]."""
    return masked_mean((rgb - target).abs().mean(-1), mask)


def dssim_loss(
    rgb: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"], mask: Bool[Tensor, "h w"] | None = None
) -> Float[Tensor, ""]:
    """1 - SSIM with the window of 3DGS, in [0, 2]; 0 for equal pictures.

    With a mask the window still reads its neighbours outside: only the average is masked."""
    return masked_mean(1 - ssim(rgb, target), mask)


@graphed
def photometric_loss(
    rgb: Float[Tensor, "h w 3"],
    target: Float[Tensor, "h w 3"],
    mask: Bool[Tensor, "h w"] | None,
    dssim_weight: float,
) -> Float[Tensor, ""]:
    """(1 - w) L1 + w (1 - SSIM), the data term of 3DGS (Kerbl et al. 2023, eq. 7)."""
    return (1 - dssim_weight) * l1_loss(rgb, target, mask) + dssim_weight * dssim_loss(rgb, target, mask)


@graphed
def weighted_photometric_loss(
    rgb: Float[Tensor, "h w 3"],
    target: Float[Tensor, "h w 3"],
    weight: Float[Tensor, "h w"],
    dssim_weight: float,
) -> Float[Tensor, ""]:
    """The data term with a weight a pixel, averaged over all pixels: a picture of which little counts pulls
    little. Windows of SSIM still read neighbours that do not count."""
    difference = (1 - dssim_weight) * (rgb - target).abs().mean(-1) + dssim_weight * (1 - ssim(rgb, target))
    return (weight * difference).mean()


@graphed
def disparity_loss(
    depth: Float[Tensor, "h w"], prior: Float[Tensor, "h w"], mask: Bool[Tensor, "h w"], near: float
) -> Float[Tensor, ""]:
    """Mean over the picture of |1/depth - 1/prior| in units of 1/near, where `mask` is true.

    In disparity an error weighs as it shows in the picture: much when near, little when far. The mean is over
    all pixels, so that a photo with little reliable depth pulls little. Depths under 0.3 near are held there,
    which keeps pixels that nothing covers finite."""
    nearest = 0.3 * near
    difference = (1 / depth.clamp_min(nearest) - 1 / prior.clamp_min(nearest)).abs() * near
    return torch.where(mask, difference, torch.zeros_like(difference)).mean()
