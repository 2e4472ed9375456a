"""Depth that a network reads from each photo alone, where the photos together say nothing.

One interface for all such networks: a callable from a photo to values, and what the values are (`Kind`). All
are aligned to the cameras (aligned.py) against the pixels that stereo trusts, photo by photo, and fill the
others, as guesses: they are not believed as confirmed depth is.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, runtime_checkable

import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from recon.methods.priors.aligned import AlignedDepth, Kind, SingleDepth, align, merged
from recon.methods.priors.depth_anything import load_depth_anything
from recon.methods.priors.stereo_types import StereoPrior
from recon.scene import Views

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DepthConfig:
    """A network's depth of single photos, aligned to the cameras, in place of what stereo does not know."""

    network: Annotated[Literal["none", "depth-anything"], tyro.conf.arg(aliases=["--depth"])] = "none"
    """depth-anything: Depth Anything V2, the small one (Apache-2.0), fetched at first use."""
    weights: str = ""
    """Other weights of that network: a folder, or OWNER/NAME on the Hugging Face hub."""


NO_NETWORK = DepthConfig()


@runtime_checkable  # the shape checks of the tests ask for it
class Network(Protocol):
    """What the adapters load."""

    @property
    def kind(self) -> Kind: ...

    def __call__(self, image: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w"]:
        """Values of a photo (sRGB in [0, 1]), at its size."""
        ...


NETWORKS: dict[str, Callable[[str, torch.device], Network]] = {"depth-anything": load_depth_anything}
"""Loaders by name: of weights, on a device."""


def with_single_views(stereo: StereoPrior, views: Views, config: DepthConfig) -> StereoPrior:
    """The prior with a network's depth at the pixels that stereo does not trust; as it is for "none".

    Raises what loading raises: InputError for bad weights, MachineError for what cannot be fetched."""
    if config.network == "none":
        return stereo
    network = NETWORKS[config.network](config.weights, views.images[0].device)
    aligned = [aligned_depth(network, views, stereo, index) for index in range(len(views))]
    return merged(stereo, aligned, believed=False)


def aligned_depth(network: Network, views: Views, stereo: StereoPrior, index: int) -> AlignedDepth | None:
    """What the network sees in photo `index`, in the world; None, with a warning, where it fits nowhere."""
    values = network(views.images[index])
    found = align(SingleDepth(values, values.isfinite()), network.kind, stereo, index)
    if found is None:
        logger.warning(
            "The network's depth of %s does not fit the cameras; it is left out.", views.names[index]
        )
        return None
    logger.info(
        "Network depth of %s: scale %.4g, shift %.3g, %.1f %% off where photos agree (%.0f %%).",
        *(views.names[index], found.line.scale, found.line.shift),
        *(100 * found.line.error, 100 * found.line.share),
    )
    return found
