"""Repair by diffusion: the blend by hand, and where no photo sees the surface, a model's picture of it.

The rule lies outside the model: pixels that two photos explain are copied through, those that one sees are
the blend's. What is made up counts little.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from recon.methods.repair.blend import BlendConfig, Repaired, blend, sees
from recon.methods.repair.diffusion_pipelines import DiffusionConfig, quiet_diffusers
from recon.methods.repair.diffusion_tiles import Room, painted_within
from recon.methods.repair.resizing import at_most
from recon.methods.repair.warps import Warps
from recon.scene import Cameras, Views

UNET_MULTIPLE = 8
"""Pixels of the autoencoder's picture to a side of which the network's coarsest level makes one: three
halvings, those of Stable Diffusion."""

Reference = Callable[[Cameras, int], Image.Image]
"""What the picture of a camera should look like."""


@dataclass(frozen=True)
class DiffusionRepair:
    """A `recon.methods.repair.rounds.Repair` with a pipeline of diffusers."""

    pipeline: Any
    diffusion: DiffusionConfig
    blend: BlendConfig
    reference: Reference | None = None
    """For a pipeline with an IP-Adapter, and for no other."""
    room: Room = field(default_factory=Room)

    def __call__(self, cameras: Cameras, index: int, rgb: Float[Tensor, "h w 3"], warps: Warps) -> Repaired:
        """The blend, with the model's picture in the pixels whose surface no photo sees."""
        mended = blend(rgb, warps, self.blend)
        unseen = ~sees(warps, self.blend).any(0)
        if not unseen.any():
            return mended
        reference = self.reference and self.reference(cameras, index)
        made = made_up(self.pipeline, mended.rgb, unseen, index, self.diffusion, self.room, reference)
        # Half precision overflows in some autoencoders.
        taken = unseen & made.isfinite().all(-1)
        return Repaired(
            torch.where(taken[..., None], made, mended.rgb),
            torch.where(taken, self.diffusion.confidence, mended.confidence),
        )


@torch.no_grad()
def made_up(
    pipeline: Any,
    rgb: Float[Tensor, "h w 3"],
    unseen: Bool[Tensor, "h w"],
    seed: int,
    config: DiffusionConfig,
    room: Room,
    reference: Image.Image | None = None,
) -> Float[Tensor, "h w 3"]:
    """The model's picture, in [0, 1], at the size of `rgb`: the same for the same seed and the same room.

    `reference` is for a pipeline with an IP-Adapter, which wants one."""
    multiple = UNET_MULTIPLE * pipeline.vae_scale_factor
    paint = partial(painted, pipeline, config, reference)
    make = partial(painted_within, room, pipeline, paint, seed=seed, multiple=multiple)
    with quiet_diffusers():
        return at_most(config.max_size, multiple, rgb, unseen, make)


def painted(
    pipeline: Any,
    config: DiffusionConfig,
    reference: Image.Image | None,
    image: Float[Tensor, "3 h w"],
    mask: Float[Tensor, "1 h w"],
    generator: torch.Generator,
) -> Float[Tensor, "3 h w"]:
    """What the pipeline makes of a picture whose sides suit it; the mask is 1 where it is wanted."""
    options = {
        "prompt": config.prompt,
        "image": image[None],
        "strength": config.strength,
        "num_inference_steps": config.steps,
        "guidance_scale": config.guidance,
        "generator": generator,
        "output_type": "pt",
    }
    can_take = {
        "mask_image": mask[None],
        "control_image": image[None],
        "ip_adapter_image": reference,
        "height": image.shape[1],
        "width": image.shape[2],
    }
    takes = inspect.signature(pipeline).parameters
    made = pipeline(**options, **{name: can_take[name] for name in can_take if name in takes}).images
    return made[0].to(image)


def nearest_photo(photos: Views, cameras: Cameras, index: int) -> Image.Image:
    """The photo taken nearest to camera `index`."""
    distance = (photos.cameras.centres - cameras.centres[index]).norm(dim=-1)
    rgb = photos.images[int(distance.argmin())]
    return Image.fromarray((rgb.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy())
