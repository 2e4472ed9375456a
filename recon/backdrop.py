"""A backdrop of one colour, as behind a product or a rendered object: nothing is there to be modelled.

Gaussians could only paint it on walls behind the object, which would stand before it in the photos from the
other side.
"""

from dataclasses import replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.scene import Views

RING = 2
"""Width in pixels of the edge of a photo that is looked at."""
TOLERANCE = 8 / 255
"""Largest difference of a channel from the backdrop's: the noise of a camera or of JPEG, hardly a shadow."""
SHARE, SHARE_OF_EACH = 0.75, 0.5
"""Of the edges of all photos, and of that of each, what has to show the backdrop."""


def find_backdrop(views: Views) -> Float[Tensor, "3"] | None:
    """The colour that the edges of all photos share, in [0, 1]; None if they show different things."""
    edges = [_edge(image, mask) for image, mask in zip(views.images, views.masks, strict=True)]
    pixels = torch.cat(edges)
    if not len(pixels):
        return None
    colour = pixels.median(dim=0).values
    plain = [_alike(edge, colour) for edge in edges]
    if torch.cat(plain).float().mean() < SHARE:
        return None
    if any(len(p) and p.float().mean() < SHARE_OF_EACH for p in plain):
        return None
    return colour


def shows_backdrop(image: Float[Tensor, "h w 3"], backdrop: Float[Tensor, "3"]) -> Bool[Tensor, "h w"]:
    """Pixels of the backdrop's colour that are joined to the edge of the photo by such pixels."""
    plain = _alike(image, backdrop).cpu().numpy().astype(np.uint8)
    _, labels = cv2.connectedComponents(plain, connectivity=4)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return torch.from_numpy(np.isin(labels, edge[edge > 0])).to(image.device)


def without_backdrop(views: Views, backdrop: Float[Tensor, "3"]) -> Views:
    """The views with the backdrop masked."""
    masks = [~shows_backdrop(image, backdrop) for image in views.images]
    return replace(
        views, masks=tuple(m if o is None else m & o for m, o in zip(masks, views.masks, strict=True))
    )


def _alike(pixels: Float[Tensor, "*p 3"], colour: Float[Tensor, "3"]) -> Bool[Tensor, "*p"]:
    return (pixels - colour).abs().amax(-1) <= TOLERANCE


def _edge(image: Float[Tensor, "h w 3"], mask: Bool[Tensor, "h w"] | None) -> Float[Tensor, "p 3"]:
    """The pixels along the edge of a photo that count."""
    ring = torch.ones(image.shape[:2], dtype=torch.bool, device=image.device)
    ring[RING:-RING, RING:-RING] = False
    return image[ring if mask is None else ring & mask]
