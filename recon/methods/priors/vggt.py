"""VGGT (Wang et al., CVPR 2025) by its own package, as a stereo prior: it sees all photos at once, and gives
depth of each in a unit that all have in common."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.methods.priors.aligned import SingleDepth, align_together
from recon.methods.priors.checkpoints import load_mixin
from recon.methods.priors.hub import Published, missing_package, network_folder
from recon.methods.priors.network_stereo import proposal, swept, whole_tokens
from recon.methods.priors.stereo_types import StereoConfig
from recon.methods.priors.trust import DepthMap
from recon.scene import Views

FIRST = "facebook/VGGT-1B"
PUBLISHED = (
    Published(FIRST, "CC-BY-NC-4.0", 5030),
    Published("facebook/VGGT-1B-Commercial", "the VGGT licence, which asks for consent on its page", 5030),
)
"""Megabytes: 4 bytes for each of 1.26 billion parameters."""
SIDE, PATCH = 518, 14
"""Longer side of the photos it was trained on, and the side of what it takes for one token, in pixels."""


class Seen(NamedTuple):
    """What VGGT says of one photo."""

    depth: Float[Tensor, "h w"]
    """z-depth in a unit that the photos have in common."""
    confidence: Float[Tensor, "h w"]
    """From 1, unsure, upwards without bound."""


@dataclass(frozen=True)
class VGGT:
    """A loaded checkpoint."""

    model: Any

    @torch.no_grad()
    def __call__(self, images: tuple[Float[Tensor, "_h _w 3"], ...]) -> list[Seen]:
        """Depth of every photo (sRGB in [0, 1]), at its size."""
        sizes = [whole_tokens(image.shape[0], image.shape[1], SIDE, PATCH) for image in images]
        height, width = max(h for h, _ in sizes), max(w for _, w in sizes)
        batch = [padded(image, size, (height, width)) for image, size in zip(images, sizes, strict=True)]
        found = self.model(torch.stack(batch))
        seen = []
        for index, (image, (h, w)) in enumerate(zip(images, sizes, strict=True)):
            top, left = (height - h) // 2, (width - w) // 2
            maps = torch.stack([found["depth"][0, index, ..., 0], found["depth_conf"][0, index]])
            maps = maps[None, :, top : top + h, left : left + w].to(image)
            depth, confidence = F.interpolate(maps, image.shape[:2], mode="bilinear", align_corners=False)[0]
            seen.append(Seen(depth, confidence))
        return seen


def padded(
    image: Float[Tensor, "h w 3"], size: tuple[int, int], frame: tuple[int, int]
) -> Float[Tensor, "3 _h _w"]:
    """The photo at `size` in the middle of a white `frame`, as the network's own code does."""
    planes = image.permute(2, 0, 1)[None]
    small = F.interpolate(planes, size, mode="bicubic", align_corners=False, antialias=True)[0].clamp(0, 1)
    down, right = frame[0] - size[0], frame[1] - size[1]
    edges = (right // 2, right - right // 2, down // 2, down - down // 2)
    return F.pad(small, edges, value=1.0)


def load_vggt(weights: str, device: torch.device) -> VGGT:
    """The checkpoint in the folder, or of the name on the hub, `weights`; FIRST if that is empty.

    Raises InputError for a checkpoint that is damaged, lacks weights or is of another network, MachineError
    if it cannot be fetched or the package is missing."""
    try:
        from vggt.models.vggt import VGGT as Theirs  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise missing_package("VGGT", "install https://github.com/facebookresearch/vggt", error) from error
    model = load_mixin(Theirs, network_folder(weights or FIRST, PUBLISHED), "VGGT")
    return VGGT(model.to(device).eval())


def vggt_proposals(views: Views, depth_range: tuple[float, float], config: StereoConfig) -> list[DepthMap]:
    """VGGT's depth of every view, world units, with a confidence in [0, 1); 0 where a view could not be
    aligned to the cameras. Raises what loading raises."""
    network = load_vggt(str(config.weights or ""), views.images[0].device)
    stereo = swept(views, depth_range, config)
    seen = network(views.images)
    singles = [SingleDepth(s.depth, s.depth.isfinite() & (s.depth > 0)) for s in seen]
    aligned = align_together(singles, "depth", stereo)
    return [proposal(found, s.confidence, depth_range) for s, found in zip(seen, aligned, strict=True)]
