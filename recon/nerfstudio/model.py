"""Our Gaussians as a model of nerfstudio: drawn by our engines, measured and exported by its code."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from nerfstudio.cameras.cameras import Cameras as NerfstudioCameras
from nerfstudio.data.scene_box import OrientedBox
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.models.splatfacto import SplatfactoModel
from nerfstudio.utils.rich_utils import CONSOLE
from pytorch_msssim import SSIM
from torch import Tensor, nn
from torchmetrics.image import PeakSignalNoiseRatio
from tyro.conf import Suppress

from recon.errors import MachineError
from recon.exposure import exposed
from recon.gaussians import Gaussians, rgb_from_sh0
from recon.losses import photometric_loss
from recon.metrics import make_lpips
from recon.nerfstudio.cameras import from_nerfstudio
from recon.rendering import Engine, pick_engine, render
from recon.trainer import FitConfig


@dataclass
class SparseModelConfig(ModelConfig):
    """How the Gaussians are drawn and measured."""

    _target: type = field(default_factory=lambda: SparseModel)
    engine: str = "auto"
    """What draws the Gaussians: auto, cuda, cpu or reference."""
    color_corrected_metrics: bool = False
    """Measure a second time after a colour correction, as splatfacto can."""
    sh_degree: Suppress[int] = 0
    """Of the Gaussians: nerfstudio's exporter asks for it here."""


class SparseModel(SplatfactoModel):
    """A splatfacto model to nerfstudio's viewer, exporter and evaluation, which know Gaussians by that class
    alone. None of its training is used: the Gaussians are whatever a fit, or a checkpoint, puts here."""

    config: SparseModelConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def populate_modules(self) -> None:
        """In place of splatfacto's: no Gaussians yet, and none of its own optimisation."""
        self.gaussians = no_gaussians()
        self.register_buffer("near", torch.tensor(0.01))
        self.psnr = PeakSignalNoiseRatio(data_range=1.0)
        self.ssim = SSIM(data_range=1.0, size_average=True, channel=3)
        self.crop_box: OrientedBox | None = None
        self.background_color = torch.zeros(3)
        self.step = 0

    def show(self, gaussians: Gaussians, near: float) -> None:
        """Draws these from now on, nothing within `near` world units of a camera."""
        self.gaussians = gaussians
        self.near.fill_(near)
        self.config.sh_degree = gaussians.sh_degree

    @cached_property
    def lpips(self) -> Callable[[Tensor, Tensor], float]:
        """LPIPS of AlexNet, as splatfacto measures it, for pictures (1, 3, h, w); not a number where its
        weights are not to be had. A function, so that they are no part of a checkpoint."""
        try:
            distance = make_lpips("alex", self.device)
        except MachineError as error:
            CONSOLE.log(f"LPIPS is left out. {error}")
            return lambda a, b: math.nan
        return lambda a, b: distance(a[0].movedim(0, -1), b[0].movedim(0, -1))

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Splatfacto's PSNR, SSIM and, where it can be had, LPIPS; the photo and the picture side by side."""
        metrics, pictures = super().get_image_metrics_and_images(outputs, batch)
        return {name: value for name, value in metrics.items() if not math.isnan(value)}, pictures

    @property
    def engine(self) -> Engine:
        """The engine of the device that the Gaussians are on."""
        return pick_engine(self.config.engine, self.device)

    @torch.no_grad()
    def get_outputs(self, camera: NerfstudioCameras) -> dict[str, Tensor]:
        """What the camera sees: rgb (h, w, 3) in [0, 1] before the backdrop and exposed as the photos around,
        depth (h, w, 1) as z in world units, accumulation (h, w, 1)."""
        gaussians = self.gaussians
        if self.crop_box is not None:
            gaussians = gaussians.select(self.crop_box.within(gaussians.means).reshape(-1))
        cameras = from_nerfstudio(camera.to(self.device))
        backdrop = self.background_color.to(self.device) if gaussians.backdrop is None else gaussians.backdrop
        drawn = render(gaussians, cameras, 0, self.engine, near=float(self.near)).over(backdrop)
        drawn = exposed(drawn, gaussians, cameras.centres[0])
        # Rays that hit nothing lie behind everything, not before it, when nerfstudio's viewer adds its own.
        depth = torch.where(drawn.alpha > 0, drawn.depth, drawn.depth.max())
        return {
            "rgb": drawn.rgb.clamp(0, 1),
            "depth": depth[..., None],
            "accumulation": drawn.alpha[..., None],
            "background": backdrop.expand_as(drawn.rgb),
        }

    def get_loss_dict(
        self, outputs: dict[str, Tensor], batch: dict[str, Any], metrics_dict: dict[str, Any] | None = None
    ) -> dict[str, Tensor]:
        """The data term alone, for evaluation; the fit weighs its own."""
        mask = batch["mask"][..., 0].to(self.device) if "mask" in batch else None
        photo = self.get_gt_img(batch["image"])[..., :3]
        return {"photometric": photometric_loss(outputs["rgb"], photo, mask, FitConfig().dssim_weight)}

    def get_metrics_dict(self, outputs: dict[str, Tensor], batch: dict[str, Any]) -> dict[str, Any]:
        photo = self.get_gt_img(batch["image"])[..., :3]
        return {"psnr": self.psnr(outputs["rgb"], photo), "gaussian_count": self.num_points}

    def get_param_groups(self) -> dict[str, list[nn.Parameter]]:
        """None for nerfstudio: the fit has its own optimisers, which change along with the Gaussians."""
        return {}

    def get_training_callbacks(self, training_callback_attributes: Any) -> list:
        return []

    def load_state_dict(self, dict: dict[str, Tensor], **options: Any) -> Any:
        """The Gaussians of a checkpoint, however many they are."""
        prefix = "gaussians."
        held = {name.removeprefix(prefix): t for name, t in dict.items() if name.startswith(prefix)}
        self.show(Gaussians(**held).to(self.device), float(dict["near"]))
        return nn.Module.load_state_dict(self, dict, **options)

    # Splatfacto's names for the raw parameters.

    @property
    def means(self) -> Tensor:
        return self.gaussians.means

    @property
    def scales(self) -> Tensor:
        return self.gaussians.log_scales

    @property
    def quats(self) -> Tensor:
        return self.gaussians.quats

    @property
    def opacities(self) -> Tensor:
        return self.gaussians.logit_opacities[:, None]

    @property
    def features_dc(self) -> Tensor:
        return self.gaussians.sh0[:, 0]

    @property
    def features_rest(self) -> Tensor:
        return self.gaussians.shN

    @property
    def shs_0(self) -> Tensor:
        return self.features_dc

    @property
    def colors(self) -> Tensor:
        return rgb_from_sh0(self.features_dc)


def no_gaussians() -> Gaussians:
    """A scene before its fit begins."""
    empty = torch.zeros(0, 3)
    return Gaussians(
        empty, torch.zeros(0, 4), empty.clone(), empty[:, 0], empty[:, None], empty[:, None, :][:, :0]
    )
