"""Depth Anything V2 (Yang et al., NeurIPS 2024) by transformers: inverse depth of one photo, but for a scale
and a shift; depth in metres from the checkpoints that were tuned to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError, MachineError
from recon.methods.priors.aligned import Kind
from recon.methods.priors.checkpoints import whole_checkpoint
from recon.methods.priors.hub import Published, network_folder, quiet_transformers

SMALL = "depth-anything/Depth-Anything-V2-Small-hf"
"""The smallest of three, and the only one that may be used commercially."""
PUBLISHED = (
    Published(SMALL, "Apache-2.0", 99, "5426e4f0f36572d16453bbda7a8389317b1bef99"),
    Published("depth-anything/Depth-Anything-V2-Base-hf", "CC-BY-NC-4.0", 390),
    Published("depth-anything/Depth-Anything-V2-Large-hf", "CC-BY-NC-4.0", 1341),
    Published("depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf", "Apache-2.0", 99),
    Published("depth-anything/Depth-Anything-V2-Metric-Outdoor-Small-hf", "Apache-2.0", 99),
)
"""Megabytes: 4 bytes for each of 24.8, 97.5 and 335.3 million parameters (the paper)."""


@dataclass(frozen=True)
class DepthAnything:
    """A loaded checkpoint."""

    model: Any
    processor: Any
    kind: Kind

    @torch.no_grad()
    def __call__(self, image: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w"]:
        """What `kind` says, at the size of the photo (sRGB in [0, 1])."""
        height, width = image.shape[:2]
        inputs = self.processor(images=[image.permute(2, 0, 1)], do_rescale=False, return_tensors="pt")
        outputs = self.model(pixel_values=inputs["pixel_values"].to(image))
        (found,) = self.processor.post_process_depth_estimation(outputs, target_sizes=[(height, width)])
        return found["predicted_depth"].to(image)


def load_depth_anything(weights: str, device: torch.device) -> DepthAnything:
    """The checkpoint in the folder, or of the name on the hub, `weights`; SMALL if that is empty.

    Raises InputError for a checkpoint that is damaged, lacks weights or is of another network, MachineError
    if it cannot be fetched or transformers is missing."""
    folder = network_folder(weights or SMALL, PUBLISHED)
    try:
        import transformers
    except ImportError as error:
        raise MachineError("Depth Anything needs transformers; run `pip install 'recon[priors]'`.") from error
    with quiet_transformers():
        model, processor = _read(transformers, folder)
    metric = model.config.depth_estimation_type == "metric"
    return DepthAnything(model.to(device).eval(), processor, "depth" if metric else "disparity")


def _read(transformers: Any, folder: Path) -> tuple[Any, Any]:
    """Model and image processor of a folder, every weight from its file."""
    with whole_checkpoint(folder, "Depth Anything"):
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        if config.model_type != "depth_anything":
            raise InputError(f"{folder} holds a network of type {config.model_type}, not Depth Anything.")
        model, loading = transformers.DepthAnythingForDepthEstimation.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
        processor = transformers.DPTImageProcessor.from_pretrained(folder, local_files_only=True)
    # transformers fills what is missing with random numbers.
    missing = sorted(loading["missing_keys"]) + sorted(str(key) for key in loading["mismatched_keys"])
    if missing:
        raise InputError(f"{folder} lacks {len(missing)} weights, {missing[0]} first; fetch it again.")
    return model, processor
