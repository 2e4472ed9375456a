"""The matchers by name: a new one is a file with a class of `Matcher`'s two functions, and a row here."""

from collections.abc import Callable

import torch

from recon.methods.priors.poses_lightglue import load_lightglue
from recon.methods.priors.poses_sift import Sift
from recon.methods.priors.poses_types import Matcher, PosesConfig
from recon.methods.priors.poses_warps import Warping
from recon.methods.priors.roma import load_roma

AUTO = "auto"
"""The first of the rows below, and where that is not enough `lightglue`."""
MATCHERS: dict[str, Callable[[PosesConfig, torch.device], Matcher]] = {
    "sift": lambda config, device: Sift(),
    "lightglue": lambda config, device: load_lightglue(device),
    "roma": lambda config, device: Warping(load_roma(config.matcher_weights, device)),
}


def make_matcher(config: PosesConfig, device: torch.device) -> Matcher:
    """The matcher that was asked for; a network runs on `device`.

    Raises what loading it raises: InputError for bad weights, MachineError for what is missing and cannot be
    fetched."""
    return MATCHERS[next(iter(MATCHERS)) if config.matcher == AUTO else config.matcher](config, device)
