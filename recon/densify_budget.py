"""Growing up to a stated number of Gaussians, where the picture is wrong (after Turbo-GS, Lu et al. 2024).

Two errors guide it: how hard the loss pulls on a Gaussian's place in the picture, as in 3DGS, and how hard on
its colour. Each growth fills a share of what is left of the budget: fast at first, slower as the fit
converges. Only Gaussians that most steps saw grow: what one photo alone sees would be fitted to that photo.
https://arxiv.org/abs/2412.13547
"""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from gsplat.strategy.ops import duplicate, split
from jaxtyping import Bool, Float
from torch import Tensor

from recon.densify import GsplatNames, Optimisers, Prune, PruneConfig, seeded
from recon.gaussians import Gaussians
from recon.rendering import Rendering


@dataclass(frozen=True)
class BudgetConfig:
    """Growing within a budget."""

    max_gaussians: int = 150_000
    """Gaussians that growing does not exceed; a scene that begins with more does not grow."""
    every: int = 100
    """Steps between two growths."""
    start: float = 0.1
    """Share of the fit before the first growth."""
    stop: float = 0.6
    """Share of the fit after which nothing grows: new Gaussians need time."""
    fill: float = 0.3
    """Share of what is left of the budget that one growth may take."""
    min_error: float = 1.5
    """Error from which a Gaussian grows, in units of the mean error."""
    min_visited: float = 0.5
    """Share of the steps since the last growth that must have seen a Gaussian: with two photos or three, that
    two see it."""
    split_above: float = 0.01
    """Size, as a share of the scene's median depth, above which a Gaussian is split, not doubled (3DGS)."""


@dataclass
class Budget:
    """Grows where position and appearance err, up to a number; prunes what has faded."""

    config: BudgetConfig
    prune: PruneConfig
    scene_scale: float
    """Median depth, world units."""
    max_steps: int
    """Steps of the fit."""
    state: dict[str, Any] = field(default_factory=dict)

    def before_backward(self, rendering: Rendering) -> None:
        rendering.means2d.retain_grad()

    def after_step(
        self, step: int, seed: int, gaussians: Gaussians, optimisers: Optimisers, rendering: Rendering
    ) -> None:
        self._gather(rendering)
        taken, begin, end = (
            step + 1,
            *(share * self.max_steps for share in (self.config.start, self.config.stop)),
        )
        if taken % self.config.every == 0:
            if begin <= taken <= end:
                self._grow(step, seed, gaussians, optimisers)
            self.state["position_error"].zero_()
            self.state["visits"].zero_()
        Prune(self.prune, self.state).after_step(step, seed, gaussians, optimisers, rendering)

    def _gather(self, rendering: Rendering) -> None:
        """Adds this step's pull on the places in the picture, and who was seen."""
        means2d = rendering.means2d
        if "visits" not in self.state:
            self.state["position_error"] = torch.zeros_like(means2d[:, 0], requires_grad=False)
            self.state["visits"] = torch.zeros_like(self.state["position_error"])
        visible = (rendering.radii > 0).all(dim=-1)
        self.state["visits"] += visible
        if means2d.grad is not None:
            self.state["position_error"] += means2d.grad.norm(dim=-1) * visible

    def _grow(self, step: int, seed: int, gaussians: Gaussians, optimisers: Optimisers) -> None:
        visits = self.state["visits"]
        visited = visits >= self.config.min_visited * self.config.every
        # Adam keeps a running mean of each coefficient's squared gradient: the error of the colour, gathered
        # over the last steps. What was just added starts at none and waits.
        squares = optimisers["sh0"].state[gaussians.sh0]["exp_avg_sq"]
        appearance = squares.flatten(1).sum(dim=-1).sqrt()
        error = growth_error(self.state["position_error"] / visits.clamp_min(1), appearance, visited)
        room = self.config.max_gaussians - len(gaussians)
        chosen = worst(error, self.config.min_error, math.ceil(self.config.fill * max(0, room)))
        large = gaussians.scales.detach().amax(dim=-1) > self.config.split_above * self.scene_scale
        doubled, halved = chosen & ~large, chosen & large
        with seeded(seed, step, gaussians), GsplatNames(gaussians, optimisers) as (params, named):
            if bool(doubled.any()):
                duplicate(params, named, self.state, doubled)
            if bool(halved.any()):
                new = halved.new_zeros(int(doubled.sum()))  # doubling appends
                split(params, named, self.state, torch.cat([halved, new]))


def growth_error(
    position: Float[Tensor, " g"], appearance: Float[Tensor, " g"], visited: Bool[Tensor, " g"]
) -> Float[Tensor, " g"]:
    """Mean of both errors, each relative to its own mean over the visited Gaussians; 0 for the others.

    Blind to the units of either."""

    def relative(error: Tensor) -> Tensor:
        error = error * visited
        return error * visited.sum() / error.sum().clamp_min(torch.finfo(error.dtype).tiny)

    return 0.5 * (relative(position) + relative(appearance))


def worst(error: Float[Tensor, " g"], min_error: float, count: int) -> Bool[Tensor, " g"]:
    """The at most `count` Gaussians of the highest error, of those that err by `min_error` or more."""
    chosen = torch.zeros_like(error, dtype=torch.bool)
    chosen[error.topk(min(count, len(error))).indices] = True
    return chosen & (error >= min_error) & (error > 0)
