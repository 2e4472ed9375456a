"""Changing the number of Gaussians while fitting, by gsplat's strategies and operations."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from gsplat.strategy import DefaultStrategy
from gsplat.strategy.ops import remove
from jaxtyping import Bool
from torch import Tensor

from recon.gaussians import Gaussians
from recon.rendering import Rendering
from recon.seeds import step_seed

Optimisers = dict[str, torch.optim.Adam]
"""One Adam for each raw parameter, under the parameter's name."""


@runtime_checkable
class Strategy(Protocol):
    """Called around each step; may replace parameters and the optimisers' state, in step with each other."""

    state: dict[str, Any]
    """Running statistics and the regularisers' traits, which a checkpoint keeps. Tensors with one row a
    Gaussian are grown and pruned with them."""

    def before_backward(self, rendering: Rendering) -> None:
        """Ask for gradients that `after_step` reads."""
        ...

    def after_step(
        self, step: int, seed: int, gaussians: Gaussians, optimisers: Optimisers, rendering: Rendering
    ) -> None:
        """Grow and prune after the optimisers' step; `step` counts from 0."""
        ...


@dataclass(frozen=True)
class PruneConfig:
    """Removal of Gaussians that have faded."""

    every: int = 250
    """Steps between two prunings; 0 never prunes."""
    min_opacity: float = 0.005
    """Gaussians below this opacity go."""


@dataclass
class Prune:
    """Removes faded Gaussians and grows none: dense stereo points need no growing."""

    config: PruneConfig
    state: dict[str, Any] = field(default_factory=dict)

    def before_backward(self, rendering: Rendering) -> None:
        """Needs no gradients of its own."""

    def after_step(
        self, step: int, seed: int, gaussians: Gaussians, optimisers: Optimisers, rendering: Rendering
    ) -> None:
        if self.config.every == 0 or (step + 1) % self.config.every:
            return
        faded = gaussians.opacities.detach() < self.config.min_opacity
        remove_gaussians(gaussians, optimisers, self.state, faded)


def remove_gaussians(
    gaussians: Gaussians, optimisers: Optimisers, state: dict[str, Any], which: Bool[Tensor, " g"]
) -> None:
    """Removes Gaussians from the scene, the optimisers and the state of the strategy."""
    if bool(which.any()):
        with GsplatNames(gaussians, optimisers) as (params, named):
            remove(params, named, state, which)


@dataclass
class GrowAndPrune:
    """The growing, splitting and pruning of 3DGS (Kerbl et al. 2023, section 5.2)."""

    config: DefaultStrategy
    scene_scale: float
    """World length that gsplat's size thresholds are measured in."""
    state: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = self.state or self.config.initialize_state(self.scene_scale)

    def before_backward(self, rendering: Rendering) -> None:
        rendering.means2d.retain_grad()

    def after_step(
        self, step: int, seed: int, gaussians: Gaussians, optimisers: Optimisers, rendering: Rendering
    ) -> None:
        height, width = rendering.alpha.shape
        # gsplat expects a leading camera axis, and reads the gradient off the tensor.
        means2d = rendering.means2d.detach()[None]
        grad = rendering.means2d.grad
        means2d.grad = torch.zeros_like(means2d) if grad is None else grad[None]
        info = {
            "means2d": means2d,
            "radii": rendering.radii[None],
            "width": width,
            "height": height,
            "n_cameras": 1,
            "gaussian_ids": None,
        }
        with seeded(seed, step, gaussians), GsplatNames(gaussians, optimisers) as (params, named):
            self.config.step_post_backward(params, named, self.state, step, info)


@contextmanager
def seeded(seed: int, step: int, gaussians: Gaussians) -> Iterator[None]:
    """Seeds the global generator, from which gsplat samples the halves of a split Gaussian, for one step of a
    run; afterwards it is as it was before."""
    devices = [gaussians.means.device] if gaussians.means.is_cuda else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(step_seed(seed, step))
        yield


class GsplatNames:
    """Lends parameters and optimisers to gsplat under its names, and takes back what it replaced."""

    def __init__(self, gaussians: Gaussians, optimisers: Optimisers) -> None:
        self.gaussians = gaussians
        self.params = {GSPLAT_NAMES.get(k, k): p for k, p in gaussians.named_parameters()}
        self.optimisers = {GSPLAT_NAMES.get(k, k): o for k, o in optimisers.items()}

    def __enter__(self) -> tuple[dict[str, torch.nn.Parameter], dict[str, torch.optim.Optimizer]]:
        return self.params, dict(self.optimisers)

    def __exit__(self, *_: object) -> None:
        for name, _parameter in list(self.gaussians.named_parameters()):
            setattr(self.gaussians, name, self.params[GSPLAT_NAMES.get(name, name)])


GSPLAT_NAMES = {"log_scales": "scales", "logit_opacities": "opacities"}
"""gsplat calls the raw parameters by the names of the activated values."""
