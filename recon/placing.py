"""Where the photos were taken: as their data set says or solved from them, then bettered where that is asked
for."""

from dataclasses import replace

import numpy as np
import torch

from recon.config import TrainConfig
from recon.events import CamerasRefined, CamerasSolved, Progress, Watch
from recon.methods.camera_refinement import refine_by_photos
from recon.methods.priors.cache import cached_stereo, load_cameras
from recon.methods.priors.poses import solve_cameras
from recon.methods.priors.poses_frame import similarity_of_cameras
from recon.methods.priors.poses_given import refine_given
from recon.methods.priors.poses_localise import localise
from recon.methods.priors.poses_types import CPU, PosesConfig
from recon.methods.priors.stereo_types import StereoPrior
from recon.rendering import Engine
from recon.run_folder import RunFolder
from recon.scene import Cameras, Scene, Views


def place_cameras(
    scene: Scene, run: RunFolder, config: TrainConfig, device: torch.device, engine: Engine, watch: Watch
) -> tuple[Views, Views]:
    """The train and the held-out views: as the data set gives them, or solved from the train photos alone;
    then bettered, if asked for.

    Held-out photos are located among the solved cameras, which they do not change."""
    train, test = scene.train, scene.test
    as_they_are = not config.poses.refine_given and config.refinement.rounds == 0
    if isinstance(train, Views) and isinstance(test, Views) and as_they_are:
        return train, test
    if run.awaited is None and run.cameras.exists():
        return load_cameras(run.cameras, (train, test))
    views, test = posed_views(scene, config.poses, watch, device)
    if config.refinement.rounds == 0:
        return views, test
    refined = fitted_cameras(views.to(device), config, engine, watch).to(views.images[0].device)
    # What was located among the cameras before moves along with them.
    moved = similarity_of_cameras(*(_poses(cameras) for cameras in (views.cameras, refined)))
    poses = torch.from_numpy(moved.cameras(_poses(test.cameras))).to(test.cameras.camera_from_world)
    return views.with_cameras(refined), test.with_cameras(replace(test.cameras, camera_from_world=poses))


def _poses(cameras: Cameras) -> np.ndarray:
    return cameras.camera_from_world.double().cpu().numpy()


def posed_views(
    scene: Scene, config: PosesConfig, watch: Watch, device: torch.device = CPU
) -> tuple[Views, Views]:
    """The train and the held-out views with the cameras that came with them, adjusted to the photos' matches
    if `config.refine_given`; or solved, where none came. `device` is for a matcher that is a network."""
    train, test = scene.train, scene.test
    if isinstance(train, Views) and isinstance(test, Views):
        return (matched_views(train, config, watch, device) if config.refine_given else train), test
    return solve_views(scene, config, watch, device)


def solve_views(
    scene: Scene, config: PosesConfig, watch: Watch, device: torch.device = CPU
) -> tuple[Views, Views]:
    """The train views with cameras solved from them alone, and the held-out views located among them, both
    without the lens distortion that was found."""
    solved = solve_cameras(scene.train, config, watch, device)
    located = localise(scene.test, solved, config, device)
    watch(CamerasSolved(solved.rows, located.unregistered, solved.caution))
    return solved.views(scene.train), located.views(scene.test)


def matched_views(views: Views, config: PosesConfig, watch: Watch, device: torch.device) -> Views:
    """The views with their poses adjusted to the photos' matches, if that makes the matches fit better."""
    watch(Progress("cameras", 0, 1, "matching photos"))
    refined = refine_given(views, config, device)
    watch(Progress("cameras", 1, 1))
    watch(
        CamerasRefined(
            "the matches of the photos",
            len(refined.adjusted),
            "median distance from the epipolar line in pixels",
            refined.error_before,
            refined.error_after,
        )
    )
    return views.with_cameras(refined.cameras)


def fitted_cameras(views: Views, config: TrainConfig, engine: Engine, watch: Watch) -> Cameras:
    """Cameras bettered by short fits in which they are free, if stereo's views then agree on more pixels."""
    parts, total = config.parts, config.refinement.rounds * config.refinement.steps

    def stereo_of(moved: Views) -> StereoPrior:
        # Cameras are judged by what the photos confirm: a sensor's depth would agree with any.
        moved = replace(moved, depths=())
        return cached_stereo(None, moved, parts.stereo, parts.depth_range, lambda index: None)

    refined = refine_by_photos(
        views,
        stereo_of,
        config.refinement,
        parts.fit,
        engine,
        lambda step: watch(Progress("cameras", step, total, "fitting with free cameras")),
    )
    watch(
        CamerasRefined(
            "the photos themselves",
            len(views) if refined.rounds else 0,
            "share of the pixels on which views agree",
            refined.before,
            refined.after,
        )
    )
    return refined.cameras
