"""Views with smaller photos."""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.scene import Views


def resized(views: Views, sizes: Sequence[tuple[int, int]]) -> Views:
    """The views with photos of these sizes (width, height), averaged over areas; a pixel counts if all of it
    did. A sensor's depth stays behind: priors take it at the size of the whole photos."""
    images = tuple(
        averaged(image.permute(2, 0, 1), size).permute(1, 2, 0)
        for image, size in zip(views.images, sizes, strict=True)
    )
    masks = tuple(
        m if m is None else averaged(m[None].float(), size)[0] > WHOLE
        for m, size in zip(views.masks, sizes, strict=True)
    )
    # With pixel centres at +0.5 intrinsics scale by the ratio of the sizes, without an offset.
    scales = torch.tensor([[*size, 1] for size in sizes]) / torch.tensor([[*size, 1] for size in views.sizes])
    Ks = views.cameras.Ks * scales[:, :, None].to(views.cameras.Ks)
    cameras = replace(views.cameras, Ks=Ks, sizes=tuple(sizes))
    return replace(views, images=images, masks=masks, cameras=cameras, depths=())


WHOLE = 1 - 1e-3
"""Share of a pixel that is all of it, but for rounding."""


def averaged(x: Float[Tensor, "c _h _w"], size: tuple[int, int]) -> Float[Tensor, "c _i _j"]:
    """A picture at (width, height)."""
    return x if (x.shape[2], x.shape[1]) == size else F.interpolate(x[None], size[::-1], mode="area")[0]
