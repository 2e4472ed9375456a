"""How right a stereo network is on worlds that are never trained on: easy cameras, two sources, no noise."""

import torch
from stereo_losses import masked_mean
from stereo_samples import Sample, draw_sample
from torch import Tensor
from weak_texture import weak_texture
from worlds.ring import Ring

from recon.methods.priors.learned.depth import confidence_from_scale
from recon.methods.priors.learned.features import Features
from recon.methods.priors.learned.network import StereoNetwork, StereoOutput, inverse_depth

SOURCES = 2


def run_network(network: StereoNetwork, sample: Sample) -> StereoOutput:
    """The network on a batch: the features of all photos at once, then the matching."""
    batch, views = sample.images.shape[:2]
    images = sample.images.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    encoded = network.encoder(images)
    split = [part.reshape(batch, views, *part.shape[1:]).unbind(1) for part in encoded]
    features = [Features(*parts) for parts in zip(*split, strict=True)]
    return network(features[0], features[1:], list(sample.homographies.unbind(1)), sample.inverse_range)


@torch.no_grad()
def held_out_scores(network: StereoNetwork, ring: Ring, batch: int, batches: int) -> dict[str, float]:
    """Shares of pixels within 1 and 3 % of the true depth, among those that a source sees; of weak texture
    apart; and among the half that the network is surest of."""
    parts: dict[str, list[Tensor]] = {}
    for number in range(batches):
        sample = draw_sample(ring, batch, SOURCES, seed=number, hard=False)
        with torch.autocast(sample.images.device.type, torch.bfloat16, sample.images.is_cuda):
            output = run_network(network, sample)
        for name, value in _scores(output, sample).items():
            parts.setdefault(name, []).append(value)
    return {name: round(float(torch.stack(values).mean()), 4) for name, values in parts.items()}


def _scores(output: StereoOutput, sample: Sample) -> dict[str, Tensor]:
    truth = sample.inverse_depth
    estimate = inverse_depth(output.position, sample.inverse_range)
    error = (truth / estimate - 1).abs()
    counts = (truth > 0) * sample.visible.amax(dim=1, keepdim=True)
    weak = counts * weak_texture(sample.images[:, 0])
    sure = confidence_from_scale(output.log_b)
    median = sure[counts > 0].median() if bool(counts.any()) else sure.median()
    surest = counts * (sure >= median)
    return {
        "inliers_1": masked_mean((error < 0.01).float(), counts),
        "inliers_3": masked_mean((error < 0.03).float(), counts),
        "weak_inliers_3": masked_mean((error < 0.03).float(), weak),
        "weak_share": masked_mean(weak, counts),
        "surest_inliers_2": masked_mean((error < 0.02).float(), surest),
        "confidence": masked_mean(sure, counts),
        "inliers_2": masked_mean((error < 0.02).float(), counts),
    }
