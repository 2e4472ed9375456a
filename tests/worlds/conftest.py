"""Lets the tests import the scripts' package `worlds`, and makes one small bank of textures."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from worlds.textures import Bank, make_bank  # noqa: E402


@pytest.fixture(scope="session")
def bank() -> Bank:
    return make_bank(24, 64, torch.Generator().manual_seed(5))
