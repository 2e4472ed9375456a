"""The stereo priors that can be measured side by side, by name, each as one kind of estimate."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from encoder_cost import encoder_stereo
from jaxtyping import Bool, Float
from torch import Tensor

from recon.errors import InputError
from recon.methods.priors.depth_range import DepthRangeConfig, find_depth_range
from recon.methods.priors.learned.depth import learned_depth_maps
from recon.methods.priors.learned.weights import WEIGHTS, load_network
from recon.methods.priors.stereo import compute_stereo
from recon.methods.priors.stereo_types import StereoConfig, StereoPrior
from recon.scene import Views


@dataclass(frozen=True)
class Estimate:
    """What a prior says of one view."""

    depth: Float[Tensor, "h w"]
    """z-depth, world units."""
    confidence: Float[Tensor, "h w"]
    """Grows with how sure it is; its unit is the prior's own."""
    trusted: Bool[Tensor, "h w"]
    """Surer than all that is not; nowhere for a prior that compares no views."""


Prior = Callable[[Views, tuple[float, float]], list[Estimate]]
"""Views and the depths that are searched -> what it says of each view."""


def depth_range(views: Views) -> tuple[float, float]:
    """The depths that every prior searches."""
    return find_depth_range(views, StereoConfig(), DepthRangeConfig())


def stereo(config: StereoConfig, views: Views, searched: tuple[float, float]) -> list[Estimate]:
    """What a fit is given: trusted where two views agree, completed elsewhere."""
    return estimates(compute_stereo(views, searched, config))


def encoder(share: float, weights: Path, views: Views, searched: tuple[float, float]) -> list[Estimate]:
    """A sweep that the network's encoder has that share of."""
    return estimates(
        encoder_stereo(views, searched, load_network(weights).to(views.cameras.Ks.device), share)
    )


def estimates(prior: StereoPrior) -> list[Estimate]:
    """A prior's maps, view by view."""
    return [Estimate(*maps) for maps in zip(prior.depths, prior.confidences, prior.consistent, strict=True)]


def network(weights: Path, views: Views, searched: tuple[float, float]) -> list[Estimate]:
    """The network's own depth and confidence, no two views compared."""
    maps = learned_depth_maps(views, searched, load_network(weights).to(views.cameras.Ks.device))
    return [Estimate(m.depth, m.confidence, torch.zeros_like(m.depth, dtype=torch.bool)) for m in maps]


def named(names: tuple[str, ...], weights: Path | None) -> dict[str, Prior]:
    """The priors of those names; `weights` None are the package's. Raises InputError: no such prior."""
    known: dict[str, Prior] = {
        "classical": partial(stereo, StereoConfig(prior="classical")),
        "learned": partial(stereo, StereoConfig(prior="learned", weights=weights)),
        "auto": partial(stereo, StereoConfig(prior="auto", weights=weights)),
        "network": partial(network, weights or WEIGHTS),
        "encoder": partial(encoder, 1.0, weights or WEIGHTS),
        "half-encoder": partial(encoder, 0.5, weights or WEIGHTS),
    }
    for name in names:
        if name not in known:
            raise InputError(f"There is no prior {name}; choose from {', '.join(known)}.")
    return {name: known[name] for name in names}
