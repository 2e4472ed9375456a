"""The first guess at 1/8: a volume of correlations over planes of inverse depth, weighed by visibility,
smoothed by a small 3D U-Net."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from recon.methods.priors.learned.blocks import conv, conv3d
from recon.methods.priors.learned.warping import group_correlation, sample_source, visible_mean


class Visibility(nn.Module):
    """Whether a source sees what a pixel shows, by how its scores lie over the planes: one clear peak, or
    none (after Zhang et al., Vis-MVSNet, BMVC 2020)."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Conv3d(groups, 8, 1), nn.ReLU(), nn.Conv3d(8, 1, 1))
        self.read = nn.Sequential(conv(4, 16), nn.Conv2d(16, 1, 3, 1, 1))

    def forward(
        self, correlation: Float[Tensor, "b g d h w"], reached: Float[Tensor, "b 1 d h w"]
    ) -> Float[Tensor, "b 1 h w"]:
        """A logit for every pixel."""
        score = self.score(correlation).float()
        log_share = score.log_softmax(dim=2)
        entropy = -(log_share.exp() * log_share).sum(dim=2)
        told = [score.amax(dim=2), score.mean(dim=2), entropy, reached.mean(dim=2)]
        return self.read(torch.cat(told, dim=1))


class VolumeNet(nn.Module):
    """3D U-Net of two levels, from correlations and context to a score for each plane."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.top = conv3d(inputs, width)
        self.down_half = nn.Sequential(conv3d(width, 2 * width, 2), conv3d(2 * width, 2 * width))
        self.down_quarter = nn.Sequential(conv3d(2 * width, 3 * width, 2), conv3d(3 * width, 3 * width))
        self.to_half = nn.Conv3d(3 * width, 2 * width, 1)
        self.merge = conv3d(2 * width, 2 * width)
        self.to_full = nn.Conv3d(2 * width, width, 1)
        self.out = nn.Conv3d(width, 1, 3, 1, 1)

    def forward(self, x: Float[Tensor, "b c d h w"]) -> Float[Tensor, "b d h w"]:
        full = self.top(x)
        half = self.down_half(full)
        up = F.interpolate(self.to_half(self.down_quarter(half)), scale_factor=2)
        up = self.to_full(self.merge(half + up))
        return self.out(full + F.interpolate(up, scale_factor=2))[:, 0].float()


def matching_volume(
    reference: Float[Tensor, "b c h w"],
    sources: list[Tensor],
    homographies: list[Tensor],
    planes: Float[Tensor, "b d"],
    groups: int,
    visibility: Visibility,
) -> tuple[Float[Tensor, "b g d h w"], list[Tensor]]:
    """Correlation with the sources at each plane (inverse depths), the mean weighed by visibility; and the
    logits of that, one map a source."""
    h, w = reference.shape[-2:]
    hypotheses = planes[:, :, None, None].expand(-1, -1, h, w)
    logits, total, weights = [], planes.new_zeros(()), planes.new_zeros(())
    for source, homography in zip(sources, homographies, strict=True):
        warped, inside = sample_source(source, homography, hypotheses)
        reached = inside.float()
        correlation = group_correlation(reference, warped, groups) * reached
        logit = visibility(correlation, reached)
        weight = logit.float().sigmoid()[:, :, None] * reached
        total, weights = total + weight * correlation, weights + weight
        logits.append(logit)
    return visible_mean(total, weights), logits


def best_mode(logits: Float[Tensor, "b d h w"]) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 1 h w"]]:
    """Mean plane of the highest peak, the other peaks left out, in [0, 1]; and the share of the peak."""
    share = logits.softmax(dim=1)
    count = logits.shape[1]
    index = torch.arange(count, device=logits.device, dtype=logits.dtype)[:, None, None]
    near = (index - share.argmax(dim=1, keepdim=True)).abs() <= PEAK
    peak = (share * near).sum(dim=1, keepdim=True)
    mean = (share * near * index).sum(dim=1, keepdim=True) / peak.clamp_min(1e-6)
    return mean / (count - 1), peak


PEAK = 2
"""Planes to either side that belong to a peak."""
