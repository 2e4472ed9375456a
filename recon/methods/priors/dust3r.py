"""DUSt3R (Wang et al., CVPR 2024) and MASt3R (Leroy et al., ECCV 2024) by their own packages, as a stereo
prior: of two photos they give the points that each pixel shows, in the first one's frame and a unit of their
own.

Each photo is read together with its nearest neighbours, one after the other, and what these pairs say of it
is aligned pair by pair. Code and weights are for non-commercial use alone: nothing is imported or fetched
unless a user has installed the package and asks for it.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.methods.priors.agreement import nearest_sources
from recon.methods.priors.aligned import SingleDepth, align
from recon.methods.priors.checkpoints import load_mixin, quiet
from recon.methods.priors.hub import Published, missing_package, network_folder
from recon.methods.priors.network_stereo import proposal, swept, whole_tokens
from recon.methods.priors.stereo_types import StereoConfig
from recon.methods.priors.trust import DepthMap
from recon.scene import Views

PUBLISHED = {
    "dust3r": Published("naver/DUSt3R_ViTLarge_BaseDecoder_512_dpt", "CC-BY-NC-SA-4.0", 2285),
    "mast3r": Published(
        "naver/MASt3R_ViTLarge_BaseDecoder_512_catmlpdpt_metric",
        "CC-BY-NC-SA-4.0, and the terms of the data it learnt from",
        2754,
    ),
}
"""Megabytes: 4 bytes for each of 571 and 689 million parameters."""
TITLES = {"dust3r": "DUSt3R", "mast3r": "MASt3R"}
SIDE, PATCH = 512, 16
"""Longer side of the photos they were trained on, and the side of what they take for one token, in pixels."""


class PairDepth(NamedTuple):
    """What a pair says of its first photo."""

    depth: Float[Tensor, "h w"]
    """z-depth in a unit of this pair."""
    confidence: Float[Tensor, "h w"]
    """From 1, unsure, upwards without bound."""


@dataclass(frozen=True)
class PointMaps:
    """A loaded checkpoint of either."""

    model: Any

    @torch.no_grad()
    def __call__(self, first: Float[Tensor, "h w 3"], second: Float[Tensor, "_h _w 3"]) -> PairDepth:
        """Depth of the first of two photos (sRGB in [0, 1]), at its size."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that torch has given up since
            found, _ = self.model(_as_view(first, "0"), _as_view(second, "1"))
        maps = torch.stack([found["pts3d"][0, ..., 2], found["conf"][0]])[None].to(first)
        size = (first.shape[0], first.shape[1])
        return PairDepth(*F.interpolate(maps, size, mode="bilinear", align_corners=False)[0])


def _as_view(image: Float[Tensor, "h w 3"], name: str) -> dict[str, Any]:
    """A photo as both networks take it: a batch of one, in [-1, 1]."""
    size = whole_tokens(image.shape[0], image.shape[1], SIDE, PATCH)
    planes = image.permute(2, 0, 1)[None]
    small = F.interpolate(planes, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    return {"img": 2 * small - 1, "true_shape": torch.tensor([size], dtype=torch.int32), "instance": [name]}


def load_point_maps(network: str, weights: str, device: torch.device) -> PointMaps:
    """The checkpoint of `network`, "dust3r" or "mast3r", in the folder, or of the name on the hub, `weights`;
    the published one if that is empty.

    Raises InputError for a checkpoint that is damaged, lacks weights or is of another network, MachineError
    if it cannot be fetched or the package is missing."""
    try:
        with quiet():
            theirs = _class_of(network)
    except ImportError as error:
        remedy = (
            f"install https://github.com/naver/{network}, for non-commercial use, and put it on PYTHONPATH"
        )
        raise missing_package(TITLES[network], remedy, error) from error
    published = PUBLISHED[network]
    folder = network_folder(weights or published.repository, (published,))
    return PointMaps(load_mixin(theirs, folder, TITLES[network]).to(device).eval())


def _class_of(network: str) -> Any:
    if network == "dust3r":
        from dust3r.model import AsymmetricCroCo3DStereo  # pyright: ignore[reportMissingImports]

        return AsymmetricCroCo3DStereo
    from mast3r.model import AsymmetricMASt3R  # pyright: ignore[reportMissingImports]

    return AsymmetricMASt3R


def pair_proposals(views: Views, depth_range: tuple[float, float], config: StereoConfig) -> list[DepthMap]:
    """Depth of every view by the network `config.prior`, world units, with a confidence in [0, 1); 0 where
    nothing could be aligned to the cameras. Raises what loading raises."""
    network = load_point_maps(config.prior, str(config.weights or ""), views.images[0].device)
    stereo = swept(views, depth_range, config)
    proposals = []
    for index, image in enumerate(views.images):
        pairs = []
        for other in nearest_sources(views.cameras, index, config.max_sources):
            said = network(image, views.images[other])
            single = SingleDepth(said.depth, said.depth.isfinite() & (said.depth > 0))
            pairs.append(proposal(align(single, "metric", stereo, index), said.confidence, depth_range))
        pairs = pairs or [proposal(None, torch.ones_like(image[..., 0]), depth_range)]
        proposals.append(fused(pairs))
    return proposals


def fused(pairs: Sequence[DepthMap]) -> DepthMap:
    """What several pairs say of a photo: the mean of inverse depth by confidence, as sure as the surest."""
    sure = torch.stack([pair.confidence for pair in pairs])
    weights = sure / sure.sum(dim=0).clamp_min(1e-9)
    inverse = (weights / torch.stack([pair.depth for pair in pairs])).sum(dim=0)
    depth = torch.where(inverse > 0, 1 / inverse.clamp_min(1e-12), pairs[0].depth)
    best = sure.amax(dim=0)
    return DepthMap(depth, best, best)
