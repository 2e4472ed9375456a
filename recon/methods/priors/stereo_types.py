"""What stereo is told, and what it says."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from jaxtyping import Bool, Float
from torch import Tensor

from recon.methods.priors.proposals import ProposalConfig
from recon.methods.priors.trust import TrustConfig

Prior = Literal["classical", "learned", "auto", "vggt", "dust3r", "mast3r"]


@dataclass(frozen=True)
class StereoConfig:
    """Depth of the train photos."""

    prior: Annotated[Prior, tyro.conf.arg(aliases=["--stereo"])] = "auto"
    """A plane sweep (classical), the network that comes with the package (learned), or the sweep led by the
    network's proposals (auto): better on plain surfaces, not on thin bars. vggt, dust3r, mast3r: led by
    these networks', whose own packages that needs; what is published is for non-commercial use."""
    weights: Path | None = None
    """Other weights for the network, as scripts/train_stereo.py writes them; for those of others a folder, or
    OWNER/NAME on the Hugging Face hub."""
    max_size: int = 512
    """Longest side of the photos that are matched, in pixels; the depth is enlarged to the photo's size."""
    max_planes: int = 192
    """Planes of constant inverse depth, at most; fewer where a plane moves a photo by under a pixel."""
    max_sources: int = 3
    """Photos that each photo is compared with: the nearest ones."""
    small_window: int = 5
    """Correlation window that keeps edges, in pixels."""
    large_window: int = 11
    """Correlation window that bridges weak texture, in pixels."""
    small_step_penalty: float = 0.08
    """Aggregation: the price of moving by one plane between neighbours."""
    large_step_penalty: float = 0.5
    """Aggregation: the price of a jump, lowered across edges of the photo."""
    trust: TrustConfig = field(default_factory=TrustConfig)
    proposals: ProposalConfig = field(default_factory=ProposalConfig)


@dataclass(frozen=True)
class StereoPrior:
    """What stereo knows about the train views, one map each, at the size of the photo."""

    depths: tuple[Float[Tensor, "_h _w"], ...]
    """z-depth, world units; everywhere positive. Where it is not `consistent` it is completed from around."""
    confidences: tuple[Float[Tensor, "_h _w"], ...]
    """Matching score of the chosen plane, about [-0.5, 1]; of the network, the chance to be right."""
    consistent: tuple[Bool[Tensor, "_h _w"], ...]
    """True where the depth is trusted: it matches well and other views confirm it."""
    depth_range: tuple[float, float]
    """(near, far) that was searched, world units."""
    monocular: tuple[Float[Tensor, "_h _w"] | None, ...] = ()
    """z-depth, world units, that a network read from each photo alone, everywhere positive, for losses on the
    order of depths; None where it fits the photo nowhere. Empty without a network."""

    @cached_property
    def scale(self) -> float:
        """Median depth of what is consistent: the unit for lengths in this scene.

        Sorted out once: every step of a fit asks for it, and on a GPU waits for the answer."""
        depths = torch.cat(
            [d[c] if c.any() else d.flatten() for d, c in zip(self.depths, self.consistent, strict=True)]
        )
        return float(depths.median())
