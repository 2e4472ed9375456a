"""Depth Anything 3 (Lin et al., 2025) by its own package: depth of one photo, but for a scale and a shift."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.methods.priors.aligned import Kind
from recon.methods.priors.checkpoints import load_mixin, quiet
from recon.methods.priors.hub import Published, missing_package, network_folder

MONO = "depth-anything/DA3MONO-LARGE"
"""The one that was trained on single photos."""
PUBLISHED = (
    Published(MONO, "Apache-2.0", 1400),
    Published("depth-anything/DA3METRIC-LARGE", "Apache-2.0", 1400),
    Published("depth-anything/DA3-SMALL", "Apache-2.0", 320),
    Published("depth-anything/DA3-BASE", "Apache-2.0", 480),
    Published("depth-anything/DA3-LARGE", "CC-BY-NC-4.0", 1400),
    Published("depth-anything/DA3-GIANT", "CC-BY-NC-4.0", 4600),
)
"""Megabytes: 4 bytes for each of 350, 350, 80, 120, 350 and 1150 million parameters (the project's page)."""


@dataclass(frozen=True)
class DepthAnything3:
    """A loaded checkpoint."""

    model: Any
    kind: Kind = "depth"

    @torch.no_grad()
    def __call__(self, image: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w"]:
        """What `kind` says, at the size of the photo (sRGB in [0, 1]); infinite in the sky."""
        photo = (image * 255).round().byte().cpu().numpy()
        with quiet():
            found = self.model.inference([photo])
        depth = torch.from_numpy(found.depth[:1])[None].to(image)
        values = F.interpolate(depth, image.shape[:2], mode="bilinear", align_corners=False)[0, 0]
        if found.sky is None:
            return values
        sky = torch.from_numpy(found.sky[:1])[None].to(image)
        return values.masked_fill(F.interpolate(sky, image.shape[:2])[0, 0] > 0.5, torch.inf)


def load_depth_anything_3(weights: str, device: torch.device) -> DepthAnything3:
    """The checkpoint in the folder, or of the name on the hub, `weights`; MONO if that is empty.

    Raises InputError for a checkpoint that is damaged, lacks weights or is of another network, MachineError
    if it cannot be fetched or the package is missing."""
    try:
        from depth_anything_3.api import DepthAnything3 as Theirs  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        remedy = "install https://github.com/ByteDance-Seed/Depth-Anything-3"
        raise missing_package("Depth Anything 3", remedy, error) from error
    model = load_mixin(Theirs, network_folder(weights or MONO, PUBLISHED), "Depth Anything 3")
    return DepthAnything3(model.to(device).eval())
