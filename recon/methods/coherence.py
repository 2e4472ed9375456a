"""Coherent Gaussians (CoherentGS, Paliwal et al., ECCV 2024): neighbours in a photo move as one.

Gaussians that start in one small cell of one photo are a group. What a Gaussian's disparity has changed by
since the start must be alike in its group, and groups beside each other on one surface must change alike
(total variation). Depth must also lead each pixel to its match in another photo (flow).

CoherentGS gets the first from a convolutional decoder that all Gaussians of a photo share, here it is a loss;
depth and flow come from stereo instead of two networks. It reports 20.33 dB on LLFF with three views, under a
protocol of its own.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.gaussians import Gaussians
from recon.geometry import inside, project, transform, unproject
from recon.losses import masked_mean
from recon.methods.homes import find_homes
from recon.methods.priors.stereo_types import StereoPrior
from recon.methods.regulariser import Moment, Regulariser
from recon.scene import Views


@dataclass(frozen=True)
class CoherenceConfig:
    """Losses that keep Gaussians together that start beside each other in a photo."""

    group_weight: float = 0.0
    """Weight of the change of disparity within a group; 0 switches it off."""
    variation_weight: float = 0.0
    """Weight of the total variation of that change over the groups; 0 switches it off."""
    flow_weight: float = 0.0
    """Weight of the distance to the matches in another photo; 0 switches it off."""
    cell: int = 8
    """Side of the square of pixels whose Gaussians form a group."""
    surface_gap: float = 0.05
    """Groups whose first disparities differ by more than this share lie on different surfaces."""


@dataclass(frozen=True)
class Coherence(Regulariser):
    config: CoherenceConfig
    partners: tuple[int, ...]
    """For each train view the one where its matches are looked up."""

    def traits(self, gaussians: Gaussians, views: Views, stereo: StereoPrior) -> dict[str, Tensor]:
        home = find_homes(gaussians.means.detach(), views, stereo)
        # As shares of the photo: the first steps of a fit see smaller ones.
        sizes = home.new_tensor(views.sizes)[home[:, 0].long()]
        return {"home": torch.cat([home[:, :1], home[:, 1:3] / sizes, home[:, 3:]], dim=1)}

    def loss(self, moment: Moment) -> Float[Tensor, ""] | None:
        config, terms = self.config, []
        if config.group_weight > 0 or config.variation_weight > 0:
            terms += self._group_terms(moment)
        if config.flow_weight > 0:
            terms.append(config.flow_weight * self._flow(moment))
        return torch.stack(terms).sum() if terms else None

    def _group_terms(self, moment: Moment) -> list[Float[Tensor, ""]]:
        config, near = self.config, moment.stereo.depth_range[0]
        view, u, v, home = moment.traits["home"].unbind(-1)
        z = transform(moment.views.cameras.camera_from_world[moment.index], moment.gaussians.means)[:, 2]
        change = near / z.clamp_min(0.3 * near) - near * home
        width, height = moment.views.sizes[moment.index]
        shape = (-(-height // config.cell), -(-width // config.cell))
        row, column = (v * height / config.cell).long(), (u * width / config.cell).long()
        cell = row.clamp_max(shape[0] - 1) * shape[1] + column.clamp_max(shape[1] - 1)
        # Gaussians at home in other photos form one group too many, which no loss looks at.
        cell = torch.where(view == moment.index, cell, shape[0] * shape[1])
        (changes, homes), filled = group_means(torch.stack([change, near * home]), cell, shape)
        return [
            config.group_weight * group_loss(change, changes, cell),
            config.variation_weight * variation_loss(changes, homes, filled, config.surface_gap),
        ]

    def _flow(self, moment: Moment) -> Float[Tensor, ""]:
        stereo, index, partner = moment.stereo, moment.index, self.partners[moment.index]
        nearest = 0.3 * stereo.depth_range[0]
        match, z = self._seen_from(partner, stereo.depths[index], moment)
        found, found_z = self._seen_from(partner, moment.rendering.depth.clamp_min(nearest), moment)
        size = moment.views.sizes[partner]
        # Near the plane of the partner's camera a pixel is anywhere.
        use = stereo.consistent[index] & inside(match, z, size) & (found_z > nearest)
        return flow_loss(found / max(size), match / max(size), use)

    @staticmethod
    def _seen_from(partner: int, depth: Tensor, moment: Moment) -> tuple[Tensor, Tensor]:
        """Where the pixels of this step's photo lie in the partner's, if they have this depth."""
        cameras, index = moment.views.cameras, moment.index
        points = unproject(depth, cameras.Ks[index], cameras.world_from_camera[index])
        return project(points, cameras.Ks[partner], cameras.camera_from_world[partner])


def group_means(
    values: Float[Tensor, "c g"], cell: Int[Tensor, " g"], shape: tuple[int, int]
) -> tuple[Float[Tensor, "c h w"], Bool[Tensor, "h w"]]:
    """Mean of each row of values over the Gaussians of each cell of a grid of `shape`, and which cells have
    any. Cells are numbered row by row; one number more stands for no cell."""
    count = shape[0] * shape[1] + 1
    ones = torch.ones_like(values[:1])
    sums = values.new_zeros(len(values) + 1, count).index_add(1, cell, torch.cat([values, ones]))
    means = sums[:-1] / sums[-1].clamp_min(1)
    return means[:, :-1].reshape(-1, *shape), (sums[-1, :-1] > 0).view(shape)


def group_loss(
    change: Float[Tensor, " g"], group_change: Float[Tensor, "h w"], cell: Int[Tensor, " g"]
) -> Float[Tensor, ""]:
    """Mean distance of a Gaussian's change from its group's; a cell past the last one is no group."""
    member = cell < group_change.numel()
    own_group = group_change.flatten()[torch.where(member, cell, torch.zeros_like(cell))]
    difference = (change - own_group).abs()
    return torch.where(member, difference, torch.zeros_like(difference)).sum() / member.sum().clamp_min(1)


def variation_loss(
    change: Float[Tensor, "h w"], home: Float[Tensor, "h w"], filled: Bool[Tensor, "h w"], gap: float
) -> Float[Tensor, ""]:
    """Mean |a - b| of the changes of groups beside or above each other whose first disparities `home` differ
    by less than the share `gap` of the larger: total variation within surfaces."""
    total, pairs = change.new_zeros(()), change.new_zeros(())
    for axis in (0, 1):
        a, b = (slice(None),) * axis + (slice(1, None),), (slice(None),) * axis + (slice(None, -1),)
        joined = filled[a] & filled[b] & ((home[a] - home[b]).abs() < gap * torch.maximum(home[a], home[b]))
        total = total + ((change[a] - change[b]).abs() * joined).sum()
        pairs = pairs + joined.sum()
    return total / pairs.clamp_min(1)


def flow_loss(
    found: Float[Tensor, "h w 2"], match: Float[Tensor, "h w 2"], mask: Bool[Tensor, "h w"]
) -> Float[Tensor, ""]:
    """Mean distance, summed over u and v, of where pixels are found from where they match."""
    return masked_mean((found - match).abs().sum(-1), mask)
