"""recon from Python: `load`, `solve_cameras`, `fit`, `render`, `export`, and `show` for notebooks.

    scene = recon.solve_cameras(recon.load("photos"))
    result = recon.fit(scene)
    picture = recon.render(result, result.views.cameras).rgb
    recon.export(result, "scene.ply")

These are thin: each is one stage of `pipeline`, without its run folder. Frames, units and shape letters are
those of `recon.scene`: OpenCV cameras, `camera_from_world`, pixel centres at +0.5, z-depth in world units,
sRGB floats in [0, 1]. Whatever the user can cause is an `InputError`, whatever the machine lacks a
`MachineError`, each one sentence with the remedy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from recon import datasets
from recon.datasets import DataConfig
from recon.edits import Edits
from recon.errors import InputError
from recon.events import Event, Watch
from recon.exporting.clean import CleanConfig
from recon.exporting.formats import FORMATS, Options
from recon.exporting.formats import export as write_formats
from recon.exporting.mesh import MeshConfig
from recon.exporting.source import Source, load_source, make_source
from recon.exporting.video import VideoConfig
from recon.gaussians import Gaussians
from recon.memory import check_memory, needed_bytes
from recon.methods.priors.poses_types import PosesConfig
from recon.methods.priors.single_view import NO_NETWORK, DepthConfig
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.table import METHODS, MethodConfig
from recon.metrics import Scores, evaluate
from recon.pipeline import Stopwatch, fit_views
from recon.placing import posed_views
from recon.rendering import Engine, Rendering, pick_device, pick_engine
from recon.rendering import render as render_one
from recon.scene import Cameras, Scene, Views
from recon.trainer import near_plane
from recon.viewer.inline import InlineViewer
from recon.viewer.run import load_scene
from recon.viewer.scene import ViewerScene

POSES = PosesConfig()


def ignore(event: Event) -> None:
    """A watcher that looks away; `recon.Terminal` draws bars, in a terminal and in a notebook."""


@dataclass(frozen=True)
class Reconstruction:
    """A fitted scene, all of it on the device that it was fitted on."""

    gaussians: Gaussians
    """`g` of them; raw parameters, with activated values as properties."""
    views: Views
    """The photos that were fitted, and their cameras."""
    held_out: Views
    """Photos that nothing above has seen; may be empty."""
    stereo: StereoPrior
    """Depth (h, w) of each of `views`, world units, and where other photos confirm it."""
    finished: bool
    """False if the fit was stopped before its last step."""
    engine: Engine

    @property
    def near(self) -> float:
        """Distance from a camera, world units, within which the fit drew nothing."""
        return near_plane(self.stereo)

    def scores(self) -> dict[str, Scores]:
        """PSNR (dB) and SSIM of each held-out photo, by name; empty without any."""
        return evaluate(self.gaussians, self.held_out, self.engine, self.near)


def load(
    photos: str | Path | DataConfig,
    *,
    max_size: int = 512,
    only: Sequence[str] = (),
    test_every: int = 0,
    held_out: str | Path | None = None,
    masks: str | Path | None = None,
) -> Scene:
    """The photos of a folder, to fit and held out; with cameras (`Views`) where a COLMAP, nerfstudio, LLFF,
    Blender or DTU data set gives them.

    `photos` is the folder, or a `DataConfig`, which knows every option and goes before the rest. `max_size`
    is the longer side of the images in pixels. `only` names files, with or without extension. Held out are
    every `test_every`-th photo by name, or those of the folder `held_out`. Images are (h, w, 3) on the CPU.

    Raises InputError for everything that is wrong with the files or the wishes.
    """
    if not isinstance(photos, DataConfig):
        photos = DataConfig(
            Path(photos),
            max_size=max_size,
            only=tuple(only),
            test_every=test_every,
            held_out=None if held_out is None else Path(held_out),
            masks=None if masks is None else Path(masks),
        )
    return datasets.load(photos)


def solve_cameras(
    scene: Scene, config: PosesConfig = POSES, watch: Watch = ignore, *, device: str = "auto"
) -> Scene:
    """The scene with cameras: those it has, or solved from its train photos by structure from motion
    (COLMAP's incremental mapper; Schoenberger and Frahm, CVPR 2016); both parts are `Views`.

    A solved world is upright and of no known unit; photos that cannot be placed are left out, which
    `CamerasSolved` tells `watch`. Where the lens is certain to distort, the views' images are undistorted and
    `Views.lenses` says what was undone. Held-out photos are located among the solved cameras, and change
    nothing. With `config.refine_given`, cameras that came with the photos are adjusted to their matches.
    `device` is for a `config.matcher` that is a network; all else runs on the CPU.

    Raises InputError if fewer than two photos can be placed, with what to photograph instead.
    """
    train, test = posed_views(scene, config, watch, pick_device(device))
    return Scene(train, test)


def fit(
    scene: Scene,
    method: str | MethodConfig = "recon",
    *,
    max_steps: int | None = None,
    seed: int | None = None,
    depth: DepthConfig = NO_NETWORK,
    device: str = "auto",
    engine: str = "auto",
    watch: Watch = ignore,
) -> Reconstruction:
    """Gaussians fitted to the scene's train photos: stereo, first Gaussians, optimisation (Kerbl et al., 3D
    Gaussian Splatting, 2023, with the regularisers of the method).

    `method` is a name of `recon methods` or its values, `METHODS[name][1]` with changes; `depth` adds what a
    network reads from each photo alone. The held-out photos reach the result and nothing else. Equal inputs
    give equal results on the CPU. Ctrl-C, or a watcher that sets `FitStarted.stop`, ends the fit after the
    step under way, and what is there is returned.

    Raises InputError for a scene without cameras or an unknown method, MachineError for a device that is
    not there or memory that will not do.
    """
    train, held_out = scene.train, scene.test
    if not isinstance(train, Views) or not isinstance(held_out, Views):
        raise InputError("The photos have no cameras yet; call recon.solve_cameras(scene) first.")
    parts = method if isinstance(method, MethodConfig) else _values(method)
    changes = {"max_steps": max_steps, "seed": seed}
    wanted = {name: value for name, value in changes.items() if value is not None}
    parts = replace(parts, fit=replace(parts.fit, **wanted))
    where = pick_device(device)
    draws = pick_engine(engine, where)
    check_memory(needed_bytes(train, parts.stereo, parts.initialise), where)
    train, held_out = train.to(where), held_out.to(where)
    fitted = fit_views(train, parts, draws, Stopwatch(where), watch, depth=depth)
    return Reconstruction(fitted.state.gaussians, train, held_out, fitted.stereo, fitted.finished, draws)


@torch.no_grad()
def render(result: Reconstruction, cameras: Cameras, index: int = 0) -> Rendering:
    """What camera `index` sees: `rgb` (h, w, 3), unclamped sRGB before the scene's backdrop, `depth` (h, w),
    z in world units, 0 where nothing was hit, `alpha` (h, w) in [0, 1].

    The cameras are of the world of `result.views.cameras`. No gradient: `recon.rendering.render` has one.
    """
    cameras = cameras.select([index]).to(result.gaussians.means.device)
    drawn = render_one(result.gaussians, cameras, 0, result.engine, near=result.near)
    return drawn.over(result.gaussians.backdrop)


def export(
    scene: Reconstruction | str | Path,
    output: str | Path,
    formats: Sequence[str] = ("ply",),
    *,
    clean: CleanConfig | None = CleanConfig(),  # noqa: B008  # frozen
    keep_frame: bool = False,
    device: str = "auto",
    engine: str = "auto",
) -> list[Path]:
    """Writes a scene for other programs and returns the paths: into the folder `output`, or, for a single
    format, as the file of that name.

    `scene` is a result, a run folder or a PLY file; `formats` are names that `recon export --help` lists.
    The scene is centred and turned upright unless `keep_frame`, in the world's unit; without `clean`,
    nothing is left out. `device` and `engine`, which draw films and depth, are for scenes on disk.

    Raises InputError for an unknown format, for a path without a scene, and where nothing is left to write.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        named = repr(unknown[0]) if unknown else "None"
        raise InputError(f"{named} is no format; choose from {', '.join(FORMATS)}.")
    rules, keep_all = clean or CleanConfig(), clean is None
    if isinstance(scene, Reconstruction):
        where, draws = scene.gaussians.means.device, scene.engine
        source = make_source(source_of(scene), rules, Edits(), keep_frame, keep_all)
    else:
        where = pick_device(device)
        draws = pick_engine(engine, where)
        source = load_source(Path(scene), rules, keep_frame, keep_all)
    return write_formats(source.to(where), formats, Path(output), Options(draws, VideoConfig(), MeshConfig()))


def show(scene: Reconstruction | str | Path, *, height: int = 480) -> InlineViewer:
    """The scene for a notebook: as the last value of a cell it is drawn there, `height` pixels high, and can
    be walked through. Its page holds the scene, so that it stays when the program has ended.

    Raises InputError for a path without a scene, and for a scene without Gaussians.
    """
    if isinstance(scene, Reconstruction):
        return InlineViewer.of(ViewerScene.from_views(scene.gaussians, scene.views), height)
    return InlineViewer.of(load_scene(Path(scene)), height)


def _values(method: str) -> MethodConfig:
    if method not in METHODS:
        raise InputError(f"There is no method {method}; choose one of {', '.join(METHODS)}.")
    return METHODS[method][1]


def source_of(result: Reconstruction) -> Source:
    """A copy on the CPU, where exports are prepared."""
    everything = torch.ones_like(result.gaussians.logit_opacities, dtype=torch.bool)
    gaussians = result.gaussians.select(everything).to("cpu")
    return Source(gaussians, result.views.to("cpu"), result.near, {}, stereo=result.stereo)
