"""Features and matches of photos, by the matcher that was asked for."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from recon.methods.priors.poses_features import Features, Matches, Picture, extract
from recon.methods.priors.poses_types import PosesConfig
from recon.methods.priors.poses_warps import warped_features
from recon.methods.priors.roma import load_roma


class Found(NamedTuple):
    """What a matcher finds."""

    features: list[Features]
    matches: Matches | None
    """Not verified yet; None where the descriptors of the features tell."""


def find_features(
    pictures: Sequence[Picture], config: PosesConfig, device: torch.device, *, thorough: bool = False
) -> Found:
    """Features of the pictures, and what belongs together; SIFT is `thorough` as `extract` says it.

    A network runs on `device`; raises what loading it raises: InputError for bad weights, MachineError for
    what is missing and cannot be fetched."""
    if config.matcher == "roma":
        return Found(*warped_features(pictures, load_roma(config.matcher_weights, device)))
    return Found(extract(pictures, thorough=thorough), None)
