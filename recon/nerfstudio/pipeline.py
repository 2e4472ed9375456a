"""The pipeline: a step of nerfstudio's trainer is a step of our fit."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes
from nerfstudio.pipelines.base_pipeline import VanillaPipeline, VanillaPipelineConfig
from nerfstudio.utils.rich_utils import CONSOLE

from recon.errors import InputError
from recon.methods.priors.single_view import DepthConfig
from recon.methods.table import MethodConfig
from recon.nerfstudio.data_manager import SparseDataManager, SparseDataManagerConfig
from recon.nerfstudio.fit import SteppedFit
from recon.nerfstudio.model import SparseModel, SparseModelConfig
from recon.progress import Terminal


@dataclass
class SparsePipelineConfig(VanillaPipelineConfig):
    """Which photos, and how they are fitted."""

    _target: type = field(default_factory=lambda: SparsePipeline)
    datamanager: SparseDataManagerConfig = field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default_factory=SparseDataManagerConfig
    )
    model: SparseModelConfig = field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default_factory=SparseModelConfig
    )
    parts: MethodConfig = field(default_factory=MethodConfig)
    """What `recon train` takes as options; the steps are those of nerfstudio's --max-num-iterations."""
    depth: DepthConfig = field(default_factory=DepthConfig)


class SparsePipeline(VanillaPipeline):
    """The fit of `recon train` inside nerfstudio's trainer, which saves, shows and measures it."""

    config: SparsePipelineConfig
    datamanager: SparseDataManager

    def __init__(
        self,
        config: SparsePipelineConfig,
        device: str,
        test_mode: Literal["test", "val", "inference"] = "val",
        world_size: int = 1,
        local_rank: int = 0,
        grad_scaler: Any = None,
    ) -> None:
        if world_size > 1:
            raise InputError(
                f"recon-sparse fits on one device, not on {world_size}; leave --machine as it is."
            )
        super().__init__(config, device, test_mode, world_size, local_rank, grad_scaler)
        self.fit: SteppedFit | None = None
        self.loaded: dict[str, Any] = {}

    @property
    def model(self) -> SparseModel:
        assert isinstance(self._model, SparseModel)
        return self._model

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        """Begins the fit: here a pipeline learns that it will be trained, and how long, after its checkpoint
        was loaded. Callbacks it needs none."""
        trainer = training_callback_attributes.trainer
        assert trainer is not None
        done = int(self.loaded.get("step", 0))
        steps = replace(self.config.parts.fit, max_steps=done + trainer.config.max_num_iterations)
        with Terminal(CONSOLE) as terminal:
            self.fit = SteppedFit(
                self.datamanager.train_views(),
                replace(self.config.parts, fit=steps),
                self.model.engine,
                self.config.depth,
                terminal,
            )
        if self.loaded:
            self.fit.restore(self.loaded["tensors"], done)
        self.model.show(self.fit.gaussians, self.fit.near)
        return []

    def get_train_loss_dict(self, step: int) -> tuple[dict, dict[str, torch.Tensor], dict[str, Any]]:
        """Takes a whole step of the fit, its optimisers' included, and says what the losses were."""
        assert self.fit is not None, "the trainer asks for callbacks before it trains"
        taken = self.fit.advance()
        self.model.show(taken.gaussians, self.fit.near)
        # The trainer differentiates what it gets. It gets this zero, which has a gradient, on top.
        nothing = self.model.device_indicator_param.sum()
        losses = {name: loss + nothing for name, loss in taken.losses.items()}
        return {}, losses, {"gaussian_count": len(taken.gaussians)}

    def get_extra_state(self) -> dict[str, Any]:
        """What nerfstudio's checkpoint holds of the fit besides the Gaussians, so that it can go on."""
        return {} if self.fit is None else {"step": self.fit.state.step, "tensors": self.fit.tensors()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Kept until the fit begins, if it does."""
        self.loaded = state
