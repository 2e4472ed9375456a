"""What a diffusion model would change in a picture: the score of `recon.methods.score_distillation`.

The model is asked once for each picture, at a random level of noise; nothing is denoised to the end.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError
from recon.methods.repair.diffusion import UNET_MULTIPLE
from recon.methods.repair.diffusion_pipelines import DiffusionConfig, load_pipeline, package, quiet_diffusers
from recon.methods.repair.resizing import padded, reduced_size
from recon.methods.score_distillation import distillation_gradient
from recon.resize import averaged

LEVELS = (0.02, 0.98)
"""Shares of the model's noise levels between which one is drawn: DreamFusion's."""
PREDICTIONS = ("epsilon", "v_prediction")
"""What the model may say of a noisy picture: its noise, or the velocity of Salimans and Ho (ICLR 2022)."""
INPAINTING_CHANNELS = 9
"""Of a UNet that is also shown the mask and the known pixels: 4 + 1 + 4."""


@dataclass(frozen=True)
class DiffusionScore:
    """A `recon.methods.score_distillation.Score` by the parts of a Stable Diffusion."""

    pipeline: Any
    schedule: Any
    """diffusers' DDPMScheduler with the model's levels of noise: the forward process, whatever samples it."""
    words: Float[Tensor, "b t c"]
    """The embedded prompt; with guidance, the empty one before it."""
    config: DiffusionConfig

    def __call__(
        self, rgb: Float[Tensor, "h w 3"], lack: Float[Tensor, "h w"], generator: torch.Generator
    ) -> Float[Tensor, "h w 3"]:
        """The gradient in `rgb`, in [0, 1], of a mean over the numbers of the autoencoder's small picture.

        Pixels whose `lack`, in [0, 1], is 0 have none, and so have those where half precision overflows."""
        picture = rgb.detach().requires_grad_()
        with torch.enable_grad():
            image = self._fitted(picture.clamp(0, 1).permute(2, 0, 1))[None]
            latents = self._encoded(image)
        with torch.no_grad(), quiet_diffusers():
            small = averaged(self._fitted(lack[None]), (latents.shape[3], latents.shape[2]))[0]
            known = self._known(image, self._fitted((lack > 0).to(rgb)[None])[None], latents.shape)
            found = self._gradient(latents, small, known, generator)
        # Divided last: half precision has no room for numbers this small.
        (gradient,) = torch.autograd.grad(latents, picture, found)
        gradient = gradient / latents.numel()
        return torch.where((lack > 0)[..., None] & gradient.isfinite(), gradient, 0.0)

    def _fitted(self, x: Float[Tensor, "c h w"]) -> Float[Tensor, "c _i _j"]:
        """At a size that the model takes."""
        small = averaged(x, reduced_size(x.shape[1], x.shape[2], self.config.max_size))
        return padded(small, UNET_MULTIPLE * self.pipeline.vae_scale_factor)

    def _encoded(self, image: Float[Tensor, "1 3 _h _w"]) -> Float[Tensor, "1 4 _i _j"]:
        """The autoencoder's small picture, in the unit that the model knows; its mean, without noise."""
        vae = self.pipeline.vae
        return (
            vae.encode((2 * image - 1).to(vae.dtype)).latent_dist.mode().float() * vae.config.scaling_factor
        )

    def _known(
        self, image: Float[Tensor, "1 3 _h _w"], mask: Float[Tensor, "1 1 _h _w"], shape: torch.Size
    ) -> list[Tensor]:
        """What a UNet for inpainting is shown beside the noisy picture: where it is to paint, and the picture
        around, grey there. Nothing for others."""
        if self.pipeline.unet.config.in_channels != INPAINTING_CHANNELS:
            return []
        return [F.interpolate(mask, shape[2:]), self._encoded(torch.where(mask > 0, 0.5, image))]

    def _gradient(
        self,
        latents: Float[Tensor, "1 4 h w"],
        lack: Float[Tensor, "h w"],
        known: list[Tensor],
        generator: torch.Generator,
    ) -> Float[Tensor, "1 4 h w"]:
        """In the small picture, at a level of noise drawn at random."""
        device, (least, most) = latents.device, LEVELS
        chance = torch.rand(1, generator=generator, device=device)
        level = ((least + (most - least) * chance) * self.schedule.config.num_train_timesteps).long()
        noise = torch.randn(latents.shape, generator=generator, device=device)
        noisy = self.schedule.add_noise(latents, noise, level)
        alpha_bar = self.schedule.alphas_cumprod.to(device)[level[0]]
        return distillation_gradient(self._noise_in(noisy, level, alpha_bar, known), noise, alpha_bar, lack)

    def _noise_in(
        self,
        noisy: Float[Tensor, "1 4 h w"],
        level: Tensor,
        alpha_bar: Float[Tensor, ""],
        known: list[Tensor],
    ) -> Float[Tensor, "1 4 h w"]:
        """The noise that the model sees, with classifier-free guidance if there are two prompts."""
        unet = self.pipeline.unet
        shown = torch.cat([noisy, *known], dim=1).to(unet.dtype).expand(len(self.words), -1, -1, -1)
        said = unet(shown, level, encoder_hidden_states=self.words).sample.float()
        if len(said) == 2:
            said = torch.lerp(said[:1], said[1:], self.config.guidance)
        if self.schedule.config.prediction_type == "v_prediction":
            return alpha_bar.sqrt() * said + (1 - alpha_bar).sqrt() * noisy
        return said


@torch.no_grad()
def load_score(config: DiffusionConfig, device: torch.device) -> DiffusionScore:
    """The score by the model of `config`.

    Raises what `load_pipeline` does, and InputError for a model that is not asked that way, or for networks
    beside it."""
    if config.controlnet or config.ip_adapter:
        raise InputError(
            "Score distillation asks a model alone; leave out --repairing.diffusion.controlnet and "
            "--repairing.diffusion.ip-adapter, or set --score-distillation.weight to 0."
        )
    pipeline = load_pipeline(config, device)
    diffusers = package("diffusers")
    unet: Any = getattr(pipeline, "unet", None)
    vae: Any = getattr(pipeline, "vae", None)
    asked = isinstance(unet, diffusers.UNet2DConditionModel) and isinstance(vae, diffusers.AutoencoderKL)
    if (
        not asked
        or unet.config.addition_embed_type
        or pipeline.scheduler.config.prediction_type not in PREDICTIONS
    ):
        raise InputError(
            f"{config.model} is not asked for a score here; take a Stable Diffusion 1 or 2, or set "
            "--score-distillation.weight to 0."
        )
    # Its weights stay as they are: nothing is kept for their gradients.
    vae.requires_grad_(False)
    with quiet_diffusers():
        schedule = diffusers.DDPMScheduler.from_config(pipeline.scheduler.config)
        words, empty = pipeline.encode_prompt(config.prompt, device, 1, config.guidance > 1)
    return DiffusionScore(pipeline, schedule, words if empty is None else torch.cat([empty, words]), config)
