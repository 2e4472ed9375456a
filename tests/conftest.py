"""Lets every test folder import `synthetic`, and makes its scenes once."""

from collections.abc import Iterator

import pytest
import torch
from synthetic import Truth, make_truth

# The tensors of the tests are tiny: threads would spend their time waiting for each other.
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def no_learned_matcher() -> Iterator[None]:
    """What tests find must not hang on whether its package is installed; those of it take it back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recon.methods.priors.poses.lightglue_is_there", lambda: False)
        yield


@pytest.fixture(scope="session")
def truth() -> Truth:
    """Three photos of different sizes, large enough for stereo."""
    return make_truth()


@pytest.fixture(scope="session")
def small_truth() -> Truth:
    """Four photos of some 30 pixels, for everything that draws Gaussians."""
    return make_truth(sizes=((32, 24), (36, 24), (30, 26), (32, 24)), detail=0.35)
