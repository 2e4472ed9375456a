"""The stereo network: a photo, some sources and a range of depth in; depth, its confidence, visibility out.

Features of every photo -> correlation over planes of inverse depth at 1/8 -> 3D U-Net -> the best mode ->
recurrent refinement at 1/4 -> full size. After IterMVS (Wang et al., CVPR 2022), DiffMVS (TPAMI 2025) and
RAFT-Stereo (3DV 2021). Any number of sources, photos of any sizes that are multiples of 32.

Inside, depth is a `position` in [0, 1]: inverse depth from far to near, as a share of the range.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from recon.methods.priors.learned.features import Context, ContextEncoder, Features, MatchingEncoder
from recon.methods.priors.learned.refinement import MARGIN, OFFSETS, Spread, Update, look_around
from recon.methods.priors.learned.volume import Visibility, VolumeNet, best_mode, matching_volume
from recon.methods.priors.learned.warping import constants, scaled_homography

MULTIPLE = 32
"""Sides of the photos are multiples of this."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network; stored with its weights."""

    width: int = 16
    """Channels come in multiples of this; itself a multiple of 8."""
    planes: int = 64
    """Planes of the volume, a multiple of 4."""
    steps: int = 5
    """Steps of the refinement."""


class StereoOutput(NamedTuple):
    """What the network says of `b` references of one size."""

    position: Float[Tensor, "b 1 h w"]
    """Inverse depth as a share of the range."""
    log_b: Float[Tensor, "b 1 h w"]
    """Log of the Laplace scale of the error in log-depth."""
    visibility: list[Tensor]
    """Logits (b, 1, h/8, w/8), one map a source."""
    planes: Float[Tensor, "b d _k _l"]
    """Logits of the planes at 1/8."""
    positions: list[Tensor]
    """After every step of the refinement, (b, 1, h/4, w/4)."""


class StereoNetwork(nn.Module):
    """See the module's text."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width, groups, hidden = config.width, config.width // 2, 3 * config.width
        self.groups = groups
        self.encoder = MatchingEncoder(width)
        self.context = ContextEncoder(width, groups, hidden)
        self.visibility = Visibility(groups)
        self.volume = VolumeNet(2 * groups, width)
        self.update = Update(groups // 2, hidden)
        self.spread = Spread(hidden)

    def forward(
        self,
        reference: Features,
        sources: list[Features],
        homographies: list[Tensor],
        inverse_range: Float[Tensor, "b 2"],
    ) -> StereoOutput:
        """`homographies` as plane_homography makes them, (b, 3, 4) in pixels of the photos, one a source;
        `inverse_range` from far to near, 1 / world units."""
        context = self.context(reference.trunk)
        scores, visibility = self._match(reference, sources, homographies, inverse_range, context)
        guess, peak = (F.interpolate(x.detach(), scale_factor=2) for x in best_mode(scores))
        hidden, positions = self._refine(
            reference, sources, homographies, inverse_range, context, visibility, guess, peak
        )
        full, log_b = self.spread(hidden, positions[-1])
        return StereoOutput(full, log_b.clamp(*LOG_B), visibility, scores, positions)

    def _match(
        self,
        reference: Features,
        sources: list[Features],
        homographies: list[Tensor],
        inverse_range: Float[Tensor, "b 2"],
        context: Context,
    ) -> tuple[Float[Tensor, "b d _k _l"], list[Tensor]]:
        """Logits of the planes at 1/8, and of each source's visibility."""
        far, near = inverse_range[:, :1], inverse_range[:, 1:]
        planes = far + torch.linspace(0, 1, self.config.planes, device=far.device) * (near - far)
        correlation, visibility = matching_volume(
            reference.eighth,
            [source.eighth for source in sources],
            [scaled_homography(homography, 8) for homography in homographies],
            planes,
            self.groups,
            self.visibility,
        )
        told = context.volume.float()[:, :, None].expand(-1, -1, self.config.planes, -1, -1)
        return self.volume(torch.cat([correlation, told], dim=1)), visibility

    def _refine(
        self,
        reference: Features,
        sources: list[Features],
        homographies: list[Tensor],
        inverse_range: Float[Tensor, "b 2"],
        context: Context,
        visibility: list[Tensor],
        position: Float[Tensor, "b 1 _k _l"],
        peak: Float[Tensor, "b 1 _k _l"],
    ) -> tuple[Float[Tensor, "b _c _k _l"], list[Tensor]]:
        """The recurrent unit's last state, and the position at 1/4 after every step."""
        far, near = inverse_range[:, 0, None, None, None], inverse_range[:, 1, None, None, None]
        quarters = [source.quarter for source in sources]
        maps = [scaled_homography(homography, 4) for homography in homographies]
        weights = [F.interpolate(x.detach().float().sigmoid(), scale_factor=2) for x in visibility]
        offsets = constants(OFFSETS, far.device)[:, None, None] / (self.config.planes - 1)
        hidden, fixed = context.hidden, self.update.context(context.inputs)
        positions = []
        for _ in range(self.config.steps):
            # As in RAFT: a step answers for its own move, not for where it started.
            position = position.detach()
            around = far + (position + offsets) * (near - far)
            seen = look_around(reference.quarter, quarters, maps, weights, around, self.groups // 2)
            hidden, move = self.update(hidden, fixed, seen, torch.cat([position, peak], dim=1))
            position = (position + move).clamp(-MARGIN, 1 + MARGIN)
            positions.append(position)
        return hidden, positions


LOG_B = (-8.0, 1.0)
"""Bounds of the log of the Laplace scale: errors of 0.03 % to complete ignorance."""


def inverse_depth(
    position: Float[Tensor, "b 1 h w"], inverse_range: Float[Tensor, "b 2"]
) -> Float[Tensor, "b 1 h w"]:
    """Positive, also where the range reaches to infinity and the position beyond."""
    far, near = inverse_range[:, 0, None, None, None], inverse_range[:, 1, None, None, None]
    return torch.maximum(far + position * (near - far), LEAST * near)


LEAST = 0.005
"""Least inverse depth, as a share of the nearest: further away, photos do not tell."""
