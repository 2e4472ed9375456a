"""Depth of every train photo by the stereo network, in the form that the plane sweep gives it."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.methods.priors.agreement import nearest_sources
from recon.methods.priors.learned.network import MULTIPLE, StereoNetwork, inverse_depth
from recon.methods.priors.plane_sweep import plane_homography
from recon.methods.priors.trust import DepthMap
from recon.scene import Views

TOLERANCE = 0.02
"""Confidence is the probability that a depth is wrong by less than this share."""
MAX_SOURCES = 4
"""Sources of a photo, at most: as many as in training."""


@torch.no_grad()
def learned_depth_maps(
    views: Views,
    depth_range: tuple[float, float],
    network: StereoNetwork,
    on_view: Callable[[int], None] = lambda index: None,
) -> list[DepthMap]:
    """What the network says of every view; `depth_range` is (near, far), world units, `far` may be infinite.

    `confidence` is the probability that the depth is within `TOLERANCE`, 0 for a view without another to
    compare it with; a probability needs no lead over others, so `margin` repeats it."""
    features = [network.encoder(padded(image)) for image in views.images]
    near, far = depth_range
    inverse_range = views.cameras.Ks.new_tensor([[1 / far, 1 / near]])
    maps = []
    for index, image in enumerate(views.images):
        height, width = image.shape[:2]
        sources = nearest_sources(views.cameras, index, MAX_SOURCES)
        if sources:
            output = network(
                features[index],
                [features[source] for source in sources],
                [plane_homography(views.cameras, index, source)[None] for source in sources],
                inverse_range,
            )
            depth = 1 / inverse_depth(output.position, inverse_range)[0, 0, :height, :width]
            confidence = confidence_from_scale(output.log_b)[0, 0, :height, :width]
        else:
            depth = image.new_full((height, width), 2 / float(inverse_range.sum()))
            confidence = torch.zeros_like(depth)
        maps.append(DepthMap(depth, confidence, confidence))
        on_view(index)
    return maps


def confidence_from_scale(log_b: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """Probability that a Laplace error of that scale is below `TOLERANCE`."""
    return 1 - torch.exp(-TOLERANCE / log_b.exp())


def padded(image: Float[Tensor, "h w 3"]) -> Float[Tensor, "1 3 _h _w"]:
    """The photo as the network takes it, its last rows and columns repeated: pixels keep their places, so the
    intrinsics hold."""
    height, width = image.shape[:2]
    batch = image.permute(2, 0, 1)[None]
    return F.pad(batch, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
