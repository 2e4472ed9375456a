"""Photos in, scene out: the stages in order, each of which keeps its result in the run folder."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import imageio.v3 as iio
import torch
from jaxtyping import Float
from torch import Tensor

from recon import datasets
from recon.alignment import AlignmentConfig, align_to_scene
from recon.checkpoint import load_checkpoint, save_checkpoint
from recon.config import TrainConfig
from recon.errors import ReconError
from recon.events import ExposuresFound, FitStarted, Progress, Step, ViewsPlaced, Watch
from recon.exporting import write_ply, write_views
from recon.exposure import at_one_exposure, find_exposures, photographed
from recon.files import atomic_file
from recon.gaussians import Gaussians
from recon.initialise import initialise
from recon.memory import check_memory, needed_bytes
from recon.methods.priors.cache import cached_stereo, save_cameras
from recon.methods.priors.single_view import NO_NETWORK, DepthConfig
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.table import MethodConfig, make_recipe
from recon.metrics import WHOLE_PICTURE, Distance, MetricsConfig, Scores, evaluate, mean_scores, quantise
from recon.placing import place_cameras
from recon.provenance import commit, machine, peak_memory_gb
from recon.rendering import Engine, engine_name, synchronise
from recon.report import Journal, write_report
from recon.run_folder import RunFolder, plain, write_json
from recon.scene import Views
from recon.trainer import FitState, make_optimisers, near_plane

READ_EVERY = 25
"""Steps between two looks at the losses: each look waits for the GPU."""


@dataclass(frozen=True)
class Report:
    """What metrics.json says of a run."""

    method: str
    seed: int
    train: tuple[str, ...]
    """Photos that were fitted."""
    psnr: float | None
    """Mean over the held-out photos, as the two below; None without any."""
    ssim: float | None
    lpips: float | None
    per_view: dict[str, Scores]
    steps: int
    finished: bool
    """False if the fit was stopped before its last step."""
    gaussians: int
    near: float
    """Distance from the camera, world units, within which no Gaussian was drawn."""
    backdrop: tuple[float, ...] | None
    """Colour behind the scene, in [0, 1]; None where there is none."""
    seconds: dict[str, float]
    """By stage, of this process."""
    peak_memory_gb: float
    commit: str
    engine: str
    machine: str
    exposures: dict[str, tuple[float, ...]] | None = None
    """How much lighter than their mean each train photo is, by channel; None where they hardly differ."""
    psnr_masked: float | None = None
    """Of the object, as the two below; None without masks, or where a protocol does not ask for them."""
    ssim_masked: float | None = None
    lpips_masked: float | None = None
    psnr_aligned: float | None = None
    """From cameras aligned to the scene by the held-out photos themselves, as the two below; None unless
    asked for. Never to be set beside scores from given cameras."""
    ssim_aligned: float | None = None
    lpips_aligned: float | None = None


@dataclass(frozen=True)
class Fitted:
    """Where a fit ended."""

    state: FitState
    stereo: StereoPrior
    finished: bool


@dataclass
class Stopwatch:
    """Wall seconds by stage, and the code that is timed: the checkout may change under a long run."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)
    commit: str = field(default_factory=commit)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        synchronise(self.device)
        begin = time.perf_counter()
        yield
        synchronise(self.device)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


def reconstruct(
    config: TrainConfig, run: RunFolder, device: torch.device, engine: Engine, watch: Watch
) -> Report:
    """From the photos of `config.data` to a scene in the run folder; goes on where an earlier run ended, or,
    to overwrite one, lets it go once the new photos have cameras."""
    clock = Stopwatch(device)
    journal = Journal(watch)
    with clock.stage("photos"):
        scene = datasets.load(config.data)
    check_memory(needed_bytes(scene.train, config.parts.stereo, config.parts.initialise), device)
    with clock.stage("cameras"):
        views, held_out = place_cameras(scene, run, config, device, engine, journal)
    run = run.make_way()
    if views is not scene.train:
        save_cameras(run.cameras, (scene.train, scene.test), (views, held_out))
    views, held_out = views.to(device), held_out.to(device)
    journal(ViewsPlaced(views, held_out))
    fitted = fit_views(views, config.parts, engine, clock, journal, run, config.depth)

    with clock.stage("export"):
        write_ply(run.point_cloud, fitted.state.gaussians)
        write_views(run.path, views)
        if len(held_out):
            write_views(run.held_out, held_out)
    with clock.stage("evaluation"):
        near = near_plane(fitted.stereo)
        scores = evaluate(fitted.state.gaussians, held_out, engine, near)
        aligned = aligned_scores(fitted, held_out, config.alignment, engine)
        write_comparisons(run.held_out, fitted.state.gaussians, held_out, engine, near)
    report = make_report(config.method, config.parts, views, fitted, scores, clock, engine)
    report = replace(report, **aligned)
    write_report(
        run, plain(report), journal, fitted.state.gaussians, (views, held_out), engine, fitted.stereo
    )
    write_json(run.metrics, report)
    return report


def fit_views(
    views: Views,
    config: MethodConfig,
    engine: Engine,
    clock: Stopwatch,
    watch: Watch,
    run: RunFolder | None = None,
    depth: DepthConfig = NO_NETWORK,
) -> Fitted:
    """Stereo, first Gaussians and fit. With a run folder, states are kept and an earlier one is taken up;
    Ctrl-C ends the fit after the step it falls in."""
    device = views.images[0].device
    with clock.stage("stereo"):
        stereo = find_stereo(views, config, watch, depth, run and run.stereo)
        level, exposures = alike(views, stereo, config, watch)
    recipe = make_recipe(config, level, stereo)
    with clock.stage("fit"), stop_at_interrupt() as stop:
        if run is not None and run.checkpoint.exists():
            state = load_checkpoint(run.checkpoint, config.fit.rates, recipe, device)
        else:
            state = first_state(level, stereo, config)
        state.gaussians.exposures = exposures
        watch(FitStarted(views, state.gaussians, near_plane(stereo), stop))
        for step in recipe.loop(level, stereo, state, recipe, engine, config.fit):
            if step.step % READ_EVERY == 0:
                check_finite(step)
            watch(step)
            last = stop.is_set() or step.step == step.max_steps
            if run is not None and (last or step.step % config.checkpoint_every == 0):
                check_finite(step)
                save_checkpoint(run.checkpoint, state, recipe)
            if last:
                break
    return Fitted(state, stereo, finished=state.step >= config.fit.max_steps)


def find_stereo(
    views: Views, config: MethodConfig, watch: Watch, depth: DepthConfig, kept: Path | None = None
) -> StereoPrior:
    """Stereo with what a network reads from each photo alone, told view by view; from the file `kept` if that
    is there, and else put there."""

    def tell(index: int) -> None:
        watch(Progress("stereo", index + 1, len(views)))

    return cached_stereo(kept, views, config.stereo, config.depth_range, tell, depth)


def alike(
    views: Views, stereo: StereoPrior, config: MethodConfig, watch: Watch
) -> tuple[Views, Float[Tensor, "n 6"] | None]:
    """The views at one exposure, and what was taken out, for the Gaussians to keep; told if there is any."""
    exposures = find_exposures(views, stereo, config.exposure)
    if exposures is not None:
        watch(ExposuresFound(views.names, exposures[:, 3:].exp()))
    return at_one_exposure(views, exposures), exposures


def first_state(views: Views, stereo: StereoPrior, config: MethodConfig) -> FitState:
    """The first Gaussians, before any step."""
    gaussians = initialise(views, stereo, config.initialise)
    return FitState(gaussians, make_optimisers(gaussians, config.fit.rates))


@contextmanager
def stop_at_interrupt() -> Iterator[threading.Event]:
    """Ctrl-C sets the event, instead of breaking off in the middle of a step; a second one breaks off. It
    stays what it was where it is ignored, as in the background of a shell, and outside the main thread,
    where Python lets nobody handle signals."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    pressed = threading.Event()
    if ignored or threading.current_thread() is not threading.main_thread():
        yield pressed
        return

    def note(*_: object) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def check_finite(step: Step) -> None:
    """Raises ReconError naming the loss, or the parameter, that is not a number any more: the scene is lost
    from there. Gaussians that are no numbers are not drawn, so the losses alone would not tell."""
    lost = [f"{name} loss" for name, loss in step.losses.items() if not math.isfinite(float(loss))]
    for name, parameter in step.gaussians.named_parameters():
        if parameter.numel() and not bool(parameter.isfinite().any()):
            lost.append(f"{name} of every Gaussian")
    if lost:
        raise ReconError(
            f"The {lost[0]} became infinite or no number by step {step.step}; lower the learning rates "
            "(--fit.rates) and please report the photos."
        )


def aligned_scores(
    fitted: Fitted,
    held_out: Views,
    config: AlignmentConfig,
    engine: Engine,
    lpips: Distance | None = None,
    metrics: MetricsConfig = WHOLE_PICTURE,
) -> dict[str, float | None]:
    """The fields of the report that are measured after the held-out cameras are aligned to the scene; none
    if that is not asked for."""
    if config.steps == 0 or len(held_out) == 0:
        return {}
    gaussians, near = fitted.state.gaussians, near_plane(fitted.stereo)
    views = align_to_scene(held_out, gaussians, config, engine, near, fitted.stereo.scale)
    mean = mean_scores(list(evaluate(gaussians, views, engine, near, lpips, metrics).values()))
    return {"psnr_aligned": mean.psnr, "ssim_aligned": mean.ssim, "lpips_aligned": mean.lpips}


def write_comparisons(
    folder: Path, gaussians: Gaussians, held_out: Views, engine: Engine, near: float
) -> None:
    """One picture for each held-out photo: the scene from there, and the photo."""
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(held_out.names):
        with torch.no_grad():
            rgb = quantise(photographed(gaussians, held_out.cameras, index, engine, near).rgb)
        pair = torch.cat([rgb, held_out.images[index]], dim=1)
        pixels = (pair * 255).round().to(torch.uint8).cpu().numpy()
        with atomic_file(folder / f"{Path(name).stem}.png") as file:
            file.write(iio.imwrite("<bytes>", pixels, extension=".png"))


def _factors(views: Views, exposures: Float[Tensor, "n 6"] | None) -> dict[str, tuple[float, ...]] | None:
    """The exposures as the report has them."""
    if exposures is None:
        return None
    rows = zip(views.names, exposures[:, 3:].exp().tolist(), strict=True)
    return {name: tuple(round(factor, 4) for factor in factors) for name, factors in rows}


def make_report(
    method: str,
    config: MethodConfig,
    views: Views,
    fitted: Fitted,
    scores: dict[str, Scores],
    clock: Stopwatch,
    engine: Engine,
) -> Report:
    """Everything that belongs beside a run's numbers."""
    mean = mean_scores(list(scores.values())) if scores else None
    colour = fitted.state.gaussians.backdrop
    backdrop = None if colour is None else tuple(round(channel, 4) for channel in colour.tolist())
    return Report(
        method=method,
        seed=config.fit.seed,
        train=views.names,
        psnr=mean and mean.psnr,
        ssim=mean and mean.ssim,
        lpips=mean and mean.lpips,
        per_view=scores,
        steps=fitted.state.step,
        finished=fitted.finished,
        gaussians=len(fitted.state.gaussians),
        near=near_plane(fitted.stereo),
        backdrop=backdrop,
        seconds={name: round(s, 2) for name, s in clock.seconds.items()},
        peak_memory_gb=round(peak_memory_gb(clock.device), 2),
        commit=clock.commit,
        engine=engine_name(engine),
        machine=machine(clock.device),
        exposures=_factors(views, fitted.state.gaussians.exposures),
        psnr_masked=mean and mean.psnr_masked,
        ssim_masked=mean and mean.ssim_masked,
        lpips_masked=mean and mean.lpips_masked,
    )
