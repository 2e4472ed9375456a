"""Cameras bettered by short fits in which they are free, after InstantSplat's joint optimisation (Fan et al.
2024): the photometric loss pulls at poses and focal lengths through the renderer.

Stereo and cameras help each other: each fit starts from the stereo of the cameras before it. And each is
tested, for a fit to few photos can explain them with wrong cameras too: the plane sweep is done again, and if
its views agree on no more pixels than before, the cameras before stay.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from recon.camera_offsets import CameraOffsets, OffsetRates
from recon.coarse_to_fine import coarse_to_fine
from recon.densify import Prune, PruneConfig
from recon.initialise import InitialiseConfig, initialise
from recon.methods.priors.stereo_types import StereoPrior
from recon.rendering import Engine
from recon.scene import Cameras, Views
from recon.seeds import step_seed
from recon.trainer import FitConfig, FitState, Recipe, advance, draw, make_optimisers, weighed_losses

FIRST = InitialiseConfig(max_gaussians=40_000, untrusted_share=0.0, opacity=0.2, sh_degree=0, border=0.0)
"""Gaussians of the short fits: where stereo is sure, and without colours that hide a wrong camera. Faint: on
a slanted surface a pixel shows the nearest of the Gaussians that overlap there, and opaque ones would shift
the picture by up to a pixel towards them."""


@dataclass(frozen=True)
class CameraRefinementConfig:
    """Short fits with free cameras, before the fit itself."""

    rounds: int = 0
    """Fits, each from the stereo of the cameras before it; 0 leaves the cameras as they are."""
    steps: int = 300
    """Steps of each fit; one photo each."""
    coarse_share: float = 0.5
    """Share of each fit, from its start, that sees photos of half the size: what is far off is pulled from
    further away."""
    final: float = 0.05
    """The cameras' learning rates fall to this share at the last step."""
    rates: OffsetRates = field(default_factory=OffsetRates)


@dataclass(frozen=True)
class Refined:
    """What became of the cameras."""

    cameras: Cameras
    rounds: int
    """Fits whose cameras were kept."""
    before: float
    """Share of the pixels on which stereo's views agree, in [0, 1]."""
    after: float
    """The same with the cameras that were kept, or of the first fit's if none was."""


def refine_by_photos(
    views: Views,
    stereo_of: Callable[[Views], StereoPrior],
    config: CameraRefinementConfig,
    fit: FitConfig,
    engine: Engine,
    on_step: Callable[[int], None] = lambda step: None,
) -> Refined:
    """The cameras after the last fit that made stereo's views agree on more pixels; `stereo_of` does the
    sweep, `on_step` hears the steps of all fits."""
    stereo = stereo_of(views)
    before = agreed = agreement(stereo)
    for done in range(config.rounds):
        cameras = free_fit(
            views, stereo, config, fit, engine, lambda n, d=done: on_step(d * config.steps + n)
        )
        moved = views.with_cameras(cameras)
        stereo = stereo_of(moved)
        now = agreement(stereo)
        if now <= agreed:
            return Refined(views.cameras, done, before, agreed if done else now)
        views, agreed = moved, now
    return Refined(views.cameras, config.rounds, before, agreed)


def free_fit(
    views: Views,
    stereo: StereoPrior,
    config: CameraRefinementConfig,
    fit: FitConfig,
    engine: Engine,
    on_step: Callable[[int], None] = lambda step: None,
) -> Cameras:
    """The cameras at the end of a fit of Gaussians to the photos in which they were free."""
    gaussians = initialise(views, stereo, FIRST)
    state = FitState(gaussians, make_optimisers(gaussians, fit.rates))
    recipe = Recipe({}, Prune(PruneConfig(every=0)))
    schedule = replace(fit, max_steps=config.steps)
    offsets = CameraOffsets(views.cameras, config.rates, stereo.scale)
    seen_at = coarse_to_fine((views, stereo), config.coarse_share * config.steps)
    generator = torch.Generator(device=gaussians.means.device)
    while state.step < config.steps:
        generator.manual_seed(step_seed(fit.seed, state.step))
        seen, maps = seen_at(state.step)
        poses = offsets.drawn().camera_from_world
        moved = seen.with_cameras(replace(seen.cameras, camera_from_world=poses))
        moment = draw(moved, maps, state, recipe, engine, schedule, generator)
        torch.stack(list(weighed_losses(moment, recipe, schedule).values())).sum().backward()
        offsets.step(config.final**moment.progress)
        advance(state, moment, recipe, schedule, stereo.scale)
        on_step(state.step)
    return offsets.cameras()


def agreement(stereo: StereoPrior) -> float:
    """Share of all pixels whose depth other views confirm, mean over the views."""
    return math.fsum(float(c.float().mean()) for c in stereo.consistent) / len(stereo.consistent)
