"""Depth correlation at train and pseudo views (FSGS, Zhu et al., ECCV 2024): blind to scale and shift.

FSGS asks a monocular network for the depth of each picture. Here it is the stereo depth that two views agree
on, completed by a network's (`--depth`) where one was asked, and at pseudo views, cameras between two train
cameras, the stereo depth warped there. FSGS's growing by proximity is left out: it fills the gaps of sparse
points, and stereo's are dense. FSGS reports 20.31 dB on LLFF with three views, the correlation being worth
1.2 dB of it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.methods.depth_order import monocular_depth
from recon.methods.pseudo_views import random_pose_between, warped_depth
from recon.methods.regulariser import Moment, Regulariser


@dataclass(frozen=True)
class DepthCorrelationConfig:
    """Loss on the correlation with the stereo depth, at train and at pseudo views."""

    weight: float = 0.0
    """Weight at the train views; 0 switches it off."""
    pseudo_weight: float = 0.0
    """Weight at the pseudo views; 0 switches it off."""
    pseudo_start: float = 0.2
    """Share of the fit before pseudo views are drawn."""
    pseudo_end: float = 0.95
    """Share of the fit after which no pseudo view is drawn."""
    pseudo_every: int = 1
    """Steps between two pseudo views; their weight grows by the same factor."""


@dataclass(frozen=True)
class DepthCorrelation(Regulariser):
    config: DepthCorrelationConfig
    partners: tuple[int, ...]
    """For each train view the one that its pseudo views lie towards."""

    def loss(self, moment: Moment) -> Float[Tensor, ""] | None:
        config, terms = self.config, []
        if config.weight > 0:
            depth, trusted = moment.stereo.depths[moment.index], moment.stereo.consistent[moment.index]
            alone = monocular_depth(moment.stereo, moment.index)
            if alone is not None:
                depth, trusted = torch.where(trusted, depth, alone), torch.ones_like(trusted)
            terms.append(config.weight * self._compare(moment, moment.rendering.depth, depth, trusted))
        if config.pseudo_weight > 0 and self._draws_pseudo_view(moment):
            partner = self.partners[moment.index]
            pose = random_pose_between(moment.views.cameras, moment.index, partner, moment.generator)
            known = warped_depth(moment.views, moment.stereo, (moment.index, partner), moment.index, pose)
            loss = self._compare(moment, moment.render_from(pose).depth, *known)
            terms.append(config.pseudo_weight * config.pseudo_every * loss)
        return torch.stack(terms).sum() if terms else None

    def _draws_pseudo_view(self, moment: Moment) -> bool:
        config = self.config
        in_time = config.pseudo_start <= moment.progress < config.pseudo_end
        return in_time and moment.step % config.pseudo_every == 0

    def _compare(self, moment: Moment, depth: Tensor, prior: Tensor, use: Tensor) -> Tensor:
        """In disparity, where a far background does not outweigh everything else."""
        near = moment.stereo.depth_range[0]
        return correlation_loss(near / depth.clamp_min(0.3 * near), near / prior.clamp_min(0.3 * near), use)


def correlation_loss(
    a: Float[Tensor, "h w"], b: Float[Tensor, "h w"], mask: Bool[Tensor, "h w"], eps: float = 1e-6
) -> Float[Tensor, ""]:
    """1 - Pearson's correlation over the pixels in `mask`, in [0, 2]; 1 where either is flat.

    Blind to the scale and the shift of both. `eps` is a variance, in the squared unit of the arguments: less
    variation than that counts as none, and has no steep gradient."""
    count = mask.sum().clamp_min(1)
    # What the mask leaves out may be infinite: it is replaced, not multiplied.
    a, b = (torch.where(mask, x, torch.zeros_like(x)) for x in (a, b))
    a, b = (torch.where(mask, x - x.sum() / count, torch.zeros_like(x)) for x in (a, b))
    covariance = (a * b).sum() / count
    variances = (a.square().sum() / count + eps) * (b.square().sum() / count + eps)
    return 1 - covariance * variances.rsqrt()
