"""A fit that is taken one step at a time by somebody else's loop, and can be put down and taken up again."""

from collections.abc import Iterator

import torch

from recon.checkpoint import state_from_tensors, state_tensors
from recon.events import FitStarted, Step, Watch
from recon.gaussians import Gaussians
from recon.memory import check_memory, needed_bytes
from recon.methods.priors.single_view import DepthConfig
from recon.methods.table import MethodConfig, make_recipe
from recon.pipeline import READ_EVERY, alike, check_finite, find_stereo, first_state
from recon.rendering import Engine
from recon.scene import Views
from recon.trainer import near_plane


class SteppedFit:
    """What `recon train` does between the cameras and the export: the same stereo prior, first Gaussians and
    loop, whichever loop the method has."""

    def __init__(
        self, views: Views, parts: MethodConfig, engine: Engine, depth: DepthConfig, watch: Watch
    ) -> None:
        """Stereo and the first Gaussians, on the device of the views; `depth` adds what a network reads from
        each photo alone. Raises MachineError if the memory will not do."""
        check_memory(needed_bytes(views, parts.stereo, parts.initialise), views.images[0].device)
        self.parts, self.engine = parts, engine
        self.stereo = find_stereo(views, parts, watch, depth)
        self.views, exposures = alike(views, self.stereo, parts, watch)
        self.recipe = make_recipe(parts, self.views, self.stereo)
        self.state = first_state(self.views, self.stereo, parts)
        self.state.gaussians.exposures = exposures
        self._steps: Iterator[Step] | None = None
        watch(FitStarted(views, self.gaussians, self.near))

    @property
    def gaussians(self) -> Gaussians:
        """The live parameters."""
        return self.state.gaussians

    @property
    def near(self) -> float:
        """Distance from a camera, world units, within which the fit draws nothing."""
        return near_plane(self.stereo)

    def advance(self) -> Step:
        """Takes one step, optimisers and densification included.

        Raises ReconError if the scene is lost, StopIteration after the last planned step."""
        if self._steps is None:
            self._steps = self.recipe.loop(
                self.views, self.stereo, self.state, self.recipe, self.engine, self.parts.fit
            )
        step = next(self._steps)
        if step.step % READ_EVERY == 0:
            check_finite(step)
        return step

    def tensors(self) -> dict[str, torch.Tensor]:
        """Everything that a step changes, by name; not copies."""
        return state_tensors(self.state, self.recipe)

    def restore(self, tensors: dict[str, torch.Tensor], step: int) -> None:
        """Goes on from what `tensors` gave after `step` steps of a fit of the same views and parts."""
        device = self.views.images[0].device
        moved = {name: tensor.to(device) for name, tensor in tensors.items()}
        self.state = state_from_tensors(moved, self.parts.fit.rates, self.recipe, step)
        self._steps = None
