"""MoGe (Wang et al., CVPR 2025, and MoGe-2, NeurIPS 2025) by its own package: depth of one photo, in metres
from MoGe-2, in a unit of its own from MoGe; nothing where it sees the sky."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError
from recon.methods.priors.aligned import Kind
from recon.methods.priors.checkpoints import load_tensors_alone, whole_checkpoint
from recon.methods.priors.hub import Published, missing_package, network_folder

SMALL = "Ruicheng/moge-2-vits-normal"
PUBLISHED = (
    Published(SMALL, "MIT", 140),
    Published("Ruicheng/moge-2-vitb-normal", "MIT", 416),
    Published("Ruicheng/moge-2-vitl-normal", "MIT", 1324),
    Published("Ruicheng/moge-2-vitl", "MIT", 1304),
    Published("Ruicheng/moge-vitl", "MIT", 1256),
)
"""Megabytes: 4 bytes for each of 35, 104, 331, 326 and 314 million parameters (the project's page)."""
FILE = "model.pt"


@dataclass(frozen=True)
class MoGe:
    """A loaded checkpoint."""

    model: Any
    kind: Kind = "metric"
    """The shift is found by the network's own code, from the perspective of its points."""

    @torch.no_grad()
    def __call__(self, image: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w"]:
        """z-depth at the size of the photo (sRGB in [0, 1]); infinite in the sky."""
        found = self.model.infer(image.permute(2, 0, 1), use_fp16=image.is_cuda)
        return found["depth"].to(image)


def load_moge(weights: str, device: torch.device) -> MoGe:
    """The checkpoint in the folder, or of the name on the hub, `weights`; SMALL if that is empty.

    Raises InputError for a checkpoint that is damaged, lacks weights or is of another network, MachineError
    if it cannot be fetched or the package is missing."""
    try:
        from moge.model import import_model_class_by_version  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise missing_package("MoGe", "install https://github.com/microsoft/MoGe", error) from error
    path = network_folder(weights or SMALL, PUBLISHED, (FILE,)) / FILE
    with whole_checkpoint(path, "MoGe"):
        content = load_tensors_alone(path)
        config, tensors = dict(content["model_config"]), dict(content["model"])
        # The second version has a neck between its encoder and its heads.
        model = import_model_class_by_version("v2" if "neck" in config else "v1")(**config)
        model.load_state_dict(tensors, strict=False)
    lacking = [name for name, _ in model.named_parameters() if name not in tensors]
    if lacking:
        raise InputError(f"{path} lacks {len(lacking)} weights, {lacking[0]} first; fetch it again.")
    return MoGe(model.to(device).eval())
