"""The plane sweep with features of the stereo network's encoder compared in place of windows of the photos.

A measure of what the encoder knows alone, for evaluate_rooms.py; no fit uses it.
"""

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.methods.priors.agreement import nearest_sources
from recon.methods.priors.completion import complete_depths
from recon.methods.priors.learned.depth import padded
from recon.methods.priors.learned.network import StereoNetwork
from recon.methods.priors.learned.warping import sample_source, scaled_homography
from recon.methods.priors.plane_sweep import best_depth, plane_homography, source_score, sweep_planes
from recon.methods.priors.stereo_types import StereoConfig, StereoPrior
from recon.methods.priors.trust import trusted_pixels
from recon.scene import Cameras, Views

SECOND = 0.25
"""Share of the second best source in a score, as in the sweep."""
PLANES_AT_ONCE = 16


@torch.no_grad()
def encoder_stereo(
    views: Views, searched: tuple[float, float], network: StereoNetwork, share: float = 1.0
) -> StereoPrior:
    """The classical prior's steps from the encoder's scores; `share` below 1 leaves the rest to the windows.

    Photos are matched as large as they are."""
    config = StereoConfig()
    planes = sweep_planes(views.cameras, searched, config.max_planes)
    features = [F.normalize(network.encoder(padded(image)).quarter, dim=1) for image in views.images]
    maps = []
    for index, image in enumerate(views.images):
        scores = []
        for source in nearest_sources(views.cameras, index, config.max_sources):
            score = share * encoder_score(features, views.cameras, index, source, planes)
            if share < 1:
                score += (1 - share) * source_score(views, index, source, planes, config)
            scores.append(score)
        best = torch.stack(scores).sort(dim=0, descending=True).values[:2]
        weights = best.new_tensor([1 - SECOND, SECOND] if len(best) > 1 else [1.0])
        maps.append(best_depth(torch.einsum("s,sdhw->dhw", weights, best), image, planes, config))
    step = float(planes[1] - planes[0])
    trusted = trusted_pixels(views.cameras, maps, step, config.trust)
    depths = [m.depth for m in maps]
    completed = complete_depths(views, depths, trusted, trusted, config.trust.planes * step)
    return StereoPrior(tuple(completed), tuple(m.confidence for m in maps), tuple(trusted), searched)


def encoder_score(
    features: list[Float[Tensor, "1 c _h _w"]],
    cameras: Cameras,
    index: int,
    source: int,
    planes: Float[Tensor, " d"],
) -> Float[Tensor, "d h w"]:
    """Cosine of the features at 1/4 of the size at each plane, less its mean over the planes, which is not 0
    as a correlation's is; 0 outside the source's picture."""
    reference = features[index]
    homography = scaled_homography(plane_homography(cameras, index, source)[None], 4)
    parts = []
    for some in planes.split(PLANES_AT_ONCE):
        at = some[None, :, None, None].expand(1, len(some), *reference.shape[-2:])
        warped, inside = sample_source(features[source], homography, at)
        cosine = (reference[:, :, None] * warped).sum(dim=1)[0]
        parts.append(torch.where(inside[0, 0], cosine, torch.nan))
    cosine = torch.cat(parts)
    score = (cosine - cosine.nanmean(dim=0)).nan_to_num(0.0)
    enlarge = partial(F.interpolate, scale_factor=4, mode="bilinear", align_corners=False)
    width, height = cameras.sizes[index]
    return enlarge(score[:, None])[:, 0, :height, :width]
