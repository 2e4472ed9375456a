"""Which depth tells the order of two pixels: that of one source, never of two."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.methods.priors.stereo_types import StereoPrior


def monocular_depth(stereo: StereoPrior, index: int) -> Float[Tensor, "_h _w"] | None:
    """What a network read from photo `index` alone, world units; None without."""
    return stereo.monocular[index] if stereo.monocular else None


def depth_of_one_source(
    stereo: Float[Tensor, "h w"],
    trusted: Bool[Tensor, "h w"],
    monocular: Float[Tensor, "h w"] | None,
    pixels: Int[Tensor, "2 p *k"],
) -> Float[Tensor, "2 p *k"]:
    """Prior depth at pairs of flat pixel indices, or pairs of patches of k of them: stereo's where it trusts
    both, else the network's at both, for where the one joins the other there is a step that no surface has.
    Stereo's everywhere without a network."""
    values = stereo.flatten()[pixels]
    if monocular is None:
        return values
    both = trusted.flatten()[pixels].all(dim=0, keepdim=True)
    if both.dim() > 2:
        both = both.all(dim=-1, keepdim=True)
    return torch.where(both, values, monocular.flatten()[pixels])
