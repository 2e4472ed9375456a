"""Depth that a network reads from each photo alone, where the photos together say nothing.

One interface for all such networks: a callable from a photo to values, and what the values are (`Kind`). All
are aligned to the cameras (aligned.py) against the pixels that stereo trusts, photo by photo, and fill the
others, as guesses: they are not believed as confirmed depth is. Whole, they tell losses the order of depths.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Protocol, runtime_checkable

import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from recon.methods.priors.aligned import (
    MIN_ANCHORS,
    AlignedDepth,
    Kind,
    SingleDepth,
    align,
    anchors,
    merged,
    stretched,
)
from recon.methods.priors.depth_anything import load_depth_anything
from recon.methods.priors.depth_anything_3 import load_depth_anything_3
from recon.methods.priors.moge import load_moge
from recon.methods.priors.stereo_types import StereoPrior
from recon.scene import Views

logger = logging.getLogger(__name__)


NetworkName = Literal["none", "depth-anything", "depth-anything-3", "moge"]


@dataclass(frozen=True)
class DepthConfig:
    """A network's depth of single photos, aligned to the cameras, in place of what stereo does not know."""

    network: Annotated[NetworkName, tyro.conf.arg(aliases=["--depth"])] = "none"
    """depth-anything: Depth Anything V2, the small one (Apache-2.0), fetched at first use. The others need
    packages of their own: depth-anything-3 (Apache-2.0), moge (MIT)."""
    weights: str = ""
    """Other weights of that network: a folder, or OWNER/NAME on the Hugging Face hub, which
    @REVISION may follow."""


NO_NETWORK = DepthConfig()


@runtime_checkable  # the shape checks of the tests ask for it
class Network(Protocol):
    """What the adapters load."""

    @property
    def kind(self) -> Kind: ...

    def __call__(self, image: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w"]:
        """Values of a photo (sRGB in [0, 1]), at its size."""
        ...


NETWORKS: dict[str, Callable[[str, torch.device], Network]] = {
    "depth-anything": load_depth_anything,
    "depth-anything-3": load_depth_anything_3,
    "moge": load_moge,
}
"""Loaders by name: of weights, on a device."""


def with_single_views(stereo: StereoPrior, views: Views, config: DepthConfig) -> StereoPrior:
    """The prior with a network's depth at the pixels that stereo does not trust, and its order everywhere; as
    it is for "none".

    Raises what loading raises: InputError for bad weights, MachineError for what cannot be fetched."""
    if config.network == "none":
        return stereo
    network = NETWORKS[config.network](config.weights, views.images[0].device)
    aligned, ordered = [], []
    for index, name in enumerate(views.names):
        values = network(views.images[index])
        single = SingleDepth(values, values.isfinite())
        found = align(single, network.kind, stereo, index)
        few = len(anchors(single, network.kind, stereo, index)[0]) < MIN_ANCHORS
        order = stretched(single, network.kind, stereo.depth_range) if found is None and few else found
        _tell(name, found, order)
        aligned.append(found)
        ordered.append(order and torch.where(order.known, order.depth, stereo.depth_range[1]))
    return replace(merged(stereo, aligned, believed=False), monocular=tuple(ordered))


def _tell(name: str, found: AlignedDepth | None, order: AlignedDepth | None) -> None:
    if found is None:
        kept = "its order alone counts" if order is not None else "it is left out"
        logger.warning("The network's depth of %s does not fit the cameras; %s.", name, kept)
        return
    logger.info(
        "Network depth of %s: scale %.4g, shift %.3g, %.1f %% off where photos agree (%.0f %%).",
        *(name, found.line.scale, found.line.shift, 100 * found.line.error, 100 * found.line.share),
    )
