"""The loop: fits Gaussians to the train views and yields after every step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from recon.coarse_to_fine import Seen, coarse_to_fine
from recon.densify import Optimisers, Strategy
from recon.events import Step
from recon.gaussians import Gaussians
from recon.losses import photometric_loss
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.regulariser import Moment, Regulariser
from recon.rendering import Engine, Rendering, render
from recon.scene import Cameras, Views
from recon.seeds import step_seed


@dataclass(frozen=True)
class RatesConfig:
    """Learning rates of Adam."""

    means: float = 1.6e-4
    """In units of the scene's median depth."""
    means_final: float = 0.01
    """The rate of the means falls to this share at the last step."""
    log_scales: float = 1.5e-2
    quats: float = 3e-3
    logit_opacities: float = 6e-2
    sh0: float = 7.5e-3
    shN: float = 1.25e-4


@dataclass(frozen=True)
class FitConfig:
    """The optimisation."""

    max_steps: Annotated[int, tyro.conf.arg(aliases=("--max-steps",))] = 1700
    """Steps of the fit; one train photo each."""
    dssim_weight: float = 0.4
    """Share of 1 - SSIM in the data term; the rest is L1."""
    coarse_share: float = 0.1
    """Share of the fit, from its start, that sees photos of half the size."""
    harmonics_start: float = 0.5
    """Share of the fit before colours may depend on the direction."""
    seed: Annotated[int, tyro.conf.arg(aliases=("--seed",))] = 0
    """Decides the order of the photos and every random number of the fit."""
    rates: RatesConfig = field(default_factory=RatesConfig)


@dataclass
class FitState:
    """What a step changes, and so what a checkpoint holds."""

    gaussians: Gaussians
    optimisers: Optimisers
    step: int = 0
    """The next step to take."""
    partner: "FitState | None" = None
    """A second field that is fitted in step with this one, for loops that fit two."""
    kept: dict[str, Tensor] = field(default_factory=dict)
    """What a loop of its own keeps from one step to the next."""


@dataclass(frozen=True)
class Recipe:
    """The parts by which methods differ."""

    regularisers: dict[str, Regulariser]
    strategy: Strategy
    loop: Callable[..., Iterator[Step]] = field(default_factory=lambda: fit)
    """A function like `fit`, for methods that need another one."""
    partner: "Recipe | None" = None
    """Of the second field, for loops that fit two."""


def fit(
    views: Views,
    stereo: StereoPrior,
    state: FitState,
    recipe: Recipe,
    engine: Engine,
    config: FitConfig,
) -> Iterator[Step]:
    """Changes `state` step by step; stop reading to stop early."""
    add_traits(views, stereo, state, recipe)
    for seen, generator in steps_to_take(views, stereo, state, config):
        moment = draw(*seen, state, recipe, engine, config, generator)
        losses = weighed_losses(moment, recipe, config)
        torch.stack(list(losses.values())).sum().backward()
        advance(state, moment, recipe, config, stereo.scale)
        yield Step(state.step, config.max_steps, {k: v.detach() for k, v in losses.items()}, state.gaussians)


def steps_to_take(
    views: Views, stereo: StereoPrior, state: FitState, config: FitConfig
) -> Iterator[tuple[Seen, torch.Generator]]:
    """For each step that is left, the photos and the stereo as it sees them, and its random numbers.

    These depend on the seed and the step alone, so that a fit that goes on from a restored state takes the
    same course as one never stopped."""
    generator = torch.Generator(device=state.gaussians.means.device)
    seen_at = coarse_to_fine((views, stereo), config.coarse_share * config.max_steps)
    while state.step < config.max_steps:
        yield seen_at(state.step), generator.manual_seed(step_seed(config.seed, state.step))


def add_traits(views: Views, stereo: StereoPrior, state: FitState, recipe: Recipe) -> None:
    """Gives the first Gaussians what the regularisers want to know of them; later ones inherit it."""
    if state.step == 0:
        for regulariser in recipe.regularisers.values():
            recipe.strategy.state.update(regulariser.traits(state.gaussians, views, stereo))


def weighed_losses(moment: Moment, recipe: Recipe, config: FitConfig) -> dict[str, Float[Tensor, ""]]:
    """The data term and the regularisers' terms of a step, by name."""
    recipe.strategy.before_backward(moment.rendering)
    photo, mask = moment.views.images[moment.index], moment.views.masks[moment.index]
    losses = {"photometric": photometric_loss(moment.rendering.rgb, photo, mask, config.dssim_weight)}
    for name, regulariser in recipe.regularisers.items():
        if (term := regulariser.loss(moment)) is not None:
            losses[name] = term
    return losses


def advance(state: FitState, moment: Moment, recipe: Recipe, config: FitConfig, unit: float) -> None:
    """Takes the step that the gradients ask for; `unit` is the length that the means' rate is measured in."""
    means_rate = unit * config.rates.means * config.rates.means_final**moment.progress
    state.optimisers["means"].param_groups[0]["lr"] = means_rate
    factors = [f for regulariser in recipe.regularisers.values() if (f := regulariser.rate_factors(moment))]
    with scaled_steps(state.gaussians, factors):
        for optimiser in state.optimisers.values():
            optimiser.step()
    for _, parameter in state.gaussians.named_parameters():
        parameter.grad = None
    for regulariser in recipe.regularisers.values():
        regulariser.after_step(moment)
    recipe.strategy.after_step(state.step, config.seed, state.gaussians, state.optimisers, moment.rendering)
    state.step += 1


@contextmanager
def scaled_steps(gaussians: Gaussians, factors: list[dict[str, Float[Tensor, " g"]]]) -> Iterator[None]:
    """Multiplies the change that a parameter undergoes inside by a factor for each Gaussian: Adam's step is
    proportional to its learning rate, so that these are learning rates of single Gaussians."""
    before = {name: getattr(gaussians, name).detach().clone() for by_name in factors for name in by_name}
    yield
    for by_name in factors:
        for name, factor in by_name.items():
            with torch.no_grad():
                parameter = getattr(gaussians, name)
                parameter.copy_(before[name].lerp(parameter, factor.view(-1, *[1] * (parameter.ndim - 1))))


def draw(
    views: Views,
    stereo: StereoPrior,
    state: FitState,
    recipe: Recipe,
    engine: Engine,
    config: FitConfig,
    generator: torch.Generator,
) -> Moment:
    """Picks the photo of this step and draws the Gaussians, as the regularisers disturb them, from there."""
    progress = state.step / config.max_steps
    index = view_of_step(state.step, len(views), config.seed)
    gaussians, cameras = state.gaussians, views.cameras
    sh_degree, near = harmonics_degree(gaussians, progress, config), near_plane(stereo)

    def render_from(camera_from_world: Float[Tensor, "4 4"]) -> Rendering:
        camera = Cameras(camera_from_world[None], cameras.Ks[index : index + 1], (cameras.sizes[index],))
        drawn = render(gaussians, camera, 0, engine, sh_degree=sh_degree, near=near)
        return drawn.over(backdrop)

    opacities, backdrop = gaussians.opacities, gaussians.backdrop
    for regulariser in recipe.regularisers.values():
        opacities = regulariser.opacities(opacities, progress, generator)
        backdrop = regulariser.backdrop(backdrop, progress, index, cameras.sizes[index], generator)
    rendering = render(gaussians, cameras, index, engine, opacities=opacities, sh_degree=sh_degree, near=near)
    return Moment(
        step=state.step,
        progress=progress,
        index=index,
        views=views,
        stereo=stereo,
        gaussians=gaussians,
        rendering=rendering.over(backdrop),
        render_from=render_from,
        generator=generator,
        traits=recipe.strategy.state,
    )


def harmonics_degree(gaussians: Gaussians, progress: float, config: FitConfig) -> int:
    """The degree of the harmonics that colours have at this share of the fit."""
    return gaussians.sh_degree if progress >= config.harmonics_start else 0


def near_plane(stereo: StereoPrior) -> float:
    """Distance from the camera, world units, within which no Gaussian is drawn: well before the nearest
    surface, so that what gathers at the lens cannot hide the scene."""
    return 0.3 * stereo.depth_range[0]


def view_of_step(step: int, count: int, seed: int) -> int:
    """The photo of a step: all photos once in random order, then again in another order."""
    epoch, place = divmod(step, count)
    generator = torch.Generator().manual_seed(step_seed(seed, epoch))
    return int(torch.randperm(count, generator=generator)[place])


def make_optimisers(gaussians: Gaussians, rates: RatesConfig) -> Optimisers:
    """One fused Adam for each raw parameter; the rate of the means is set at each step."""
    # 3DGS's epsilon: gradients of single Gaussians are tiny, the default 1e-8 would swallow them.
    return {
        name: torch.optim.Adam([parameter], lr=getattr(rates, name), eps=1e-15, fused=True)
        for name, parameter in gaussians.named_parameters()
    }
