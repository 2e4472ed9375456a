"""Rendered depth held to the stereo depth where two views agree on it."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from recon.losses import disparity_loss
from recon.methods.regulariser import Moment, Regulariser


@dataclass(frozen=True)
class StereoDepthConfig:
    """Loss on the difference to the stereo depth."""

    weight: float = 0.0
    """0 switches the loss off. With first Gaussians from the same stereo it brings nothing."""


@dataclass(frozen=True)
class StereoDepth(Regulariser):
    config: StereoDepthConfig

    def loss(self, moment: Moment) -> Float[Tensor, ""]:
        stereo, index = moment.stereo, moment.index
        near, _ = stereo.depth_range
        depth, prior, trusted = moment.rendering.depth, stereo.depths[index], stereo.consistent[index]
        return self.config.weight * disparity_loss(depth, prior, trusted, near)
