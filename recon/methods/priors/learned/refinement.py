"""From the first guess to full size: a recurrent unit at 1/4 looks closely around its estimate, moves it, and
at the end spreads it over the pixels."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from recon.methods.priors.learned.blocks import conv
from recon.methods.priors.learned.warping import group_correlation, sample_source, visible_mean

OFFSETS = (-3.0, -1.5, -0.6, -0.2, 0.0, 0.2, 0.6, 1.5, 3.0)
"""Hypotheses around the estimate, in planes of the volume: fine steps near it, coarse ones to escape."""
FACTOR = 4
"""From the size of the refinement to that of the photo."""


class Update(nn.Module):
    """One step of the recurrent unit (ConvGRU as in RAFT, ECCV 2020): new state, and how far to move."""

    def __init__(self, groups: int, hidden: int) -> None:
        super().__init__()
        self.look = nn.Sequential(conv(len(OFFSETS) * groups + 2, hidden, size=1), conv(hidden, hidden - 8))
        inputs = hidden - 8 + 2
        self.context = nn.Conv2d(hidden, 3 * hidden, 3, 1, 1)
        self.gates = nn.Conv2d(hidden + inputs, 2 * hidden, 3, 1, 1)
        self.candidate = nn.Conv2d(hidden + inputs, hidden, 3, 1, 1)
        self.move = nn.Sequential(
            nn.Conv2d(hidden, hidden, 3, 1, 1), nn.ReLU(), nn.Conv2d(hidden, 1, 3, 1, 1)
        )

    def forward(
        self,
        hidden: Float[Tensor, "b c h w"],
        context: Float[Tensor, "b _e h w"],
        seen: Float[Tensor, "b _f h w"],
        position: Float[Tensor, "b 2 h w"],
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b 1 h w"]]:
        """`context` is what `self.context` makes of the context's inputs, the same in every step."""
        inputs = torch.cat([self.look(torch.cat([seen, position], dim=1)), position], dim=1)
        for_gates, for_candidate = context[:, : 2 * hidden.shape[1]], context[:, 2 * hidden.shape[1] :]
        gates = (self.gates(torch.cat([hidden, inputs], dim=1)) + for_gates).sigmoid()
        keep, reset = gates.chunk(2, dim=1)
        new = (self.candidate(torch.cat([reset * hidden, inputs], dim=1)) + for_candidate).tanh()
        hidden = (1 - keep) * hidden + keep * new
        return hidden, self.move(hidden).float()


class Spread(nn.Module):
    """Weights of the convex combination that enlarges the estimate, and the confidence in it."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(hidden, 64, 3, 1, 1), nn.ReLU())
        self.weights = nn.Conv2d(64, 9 * FACTOR**2, 1)
        self.log_b = nn.Conv2d(64, FACTOR**2, 1)

    def forward(
        self, hidden: Float[Tensor, "b c h w"], position: Float[Tensor, "b 1 h w"]
    ) -> tuple[Float[Tensor, "b 1 _k _l"], Float[Tensor, "b 1 _k _l"]]:
        """Position and log b at `FACTOR` times the size."""
        inner = self.inner(hidden)
        b, _, h, w = position.shape
        weights = self.weights(inner).float().reshape(b, 9, FACTOR**2, h, w).softmax(dim=1)
        around = F.unfold(F.pad(position, (1, 1, 1, 1), mode="replicate"), 3).reshape(b, 9, 1, h, w)
        large = (weights * around).sum(dim=1)
        return F.pixel_shuffle(large, FACTOR), F.pixel_shuffle(self.log_b(inner).float(), FACTOR)


def look_around(
    reference: Float[Tensor, "b c h w"],
    sources: list[Tensor],
    homographies: list[Tensor],
    weights: list[Tensor],
    inverse_depths: Float[Tensor, "b d h w"],
    groups: int,
) -> Float[Tensor, "b _f h w"]:
    """Correlations at the hypotheses, the mean over the sources by their visibility, `d` times `groups`."""
    total, sums = inverse_depths.new_zeros(()), inverse_depths.new_zeros(())
    for source, homography, weight in zip(sources, homographies, weights, strict=True):
        warped, inside = sample_source(source, homography, inverse_depths)
        here = weight[:, :, None] * inside
        total = total + group_correlation(reference, warped, groups) * here
        sums = sums + here
    return visible_mean(total, sums).flatten(1, 2)


MARGIN = 0.1
"""How far outside the range an estimate may go, as a share of the range."""
