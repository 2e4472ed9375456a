"""Which pixel of which photo a Gaussian stands for."""

import torch
from jaxtyping import Float
from torch import Tensor

from recon.geometry import project
from recon.initialise import SAME_SURFACE
from recon.methods.priors.agreement import sees_same_surface
from recon.methods.priors.stereo_types import StereoPrior
from recon.scene import Views


def find_homes(means: Float[Tensor, "g 3"], views: Views, stereo: StereoPrior) -> Float[Tensor, "g 4"]:
    """View, pixel (u, v) and disparity of each Gaussian in the first photo whose stereo depth it lies on; the
    view is -1 for those on none."""
    near, far = stereo.depth_range
    homes = means.new_zeros(len(means), 4)
    homes[:, 0] = -1
    for index, depth in enumerate(stereo.depths):
        uv, z = project(means, views.cameras.Ks[index], views.cameras.camera_from_world[index])
        on_surface = sees_same_surface(
            means, views.cameras, index, depth, SAME_SURFACE * (1 / near - 1 / far)
        )
        home = torch.cat([torch.full_like(z, index)[:, None], uv, 1 / z[:, None]], dim=-1)
        homes = torch.where((on_surface & (homes[:, 0] < 0))[:, None], home, homes)
    return homes
