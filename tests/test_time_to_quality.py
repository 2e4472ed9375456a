"""A point of the curve has the seconds of the fit alone, and the picture as it is at that step."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synthetic import Truth

from recon.initialise import InitialiseConfig
from recon.methods.table import METHODS
from recon.rendering import pick_engine
from recon.trainer import FitConfig

sys.path.append(str(Path(__file__).parents[1] / "scripts"))

import time_to_quality  # noqa: E402

CPU = torch.device("cpu")
PAUSE = 0.5
"""Seconds that each measurement is made to take."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    description, config = METHODS["recon"]
    small = InitialiseConfig(max_gaussians=300, border_spacing=8)
    monkeypatch.setitem(
        METHODS, "recon", (description, replace(config, initialise=small, fit=FitConfig(max_steps=40)))
    )


def test_measuring_takes_no_time_of_the_curve(truth: Truth, quick: None, monkeypatch: pytest.MonkeyPatch):
    measure = time_to_quality.evaluate

    def slowly(*arguments, **options):
        time.sleep(PAUSE)
        return measure(*arguments, **options)

    monkeypatch.setattr(time_to_quality, "evaluate", slowly)
    begin = time.perf_counter()
    watched = time_to_quality.curve(truth.views, truth.views, "recon", 0, CPU, pick_engine("cpu", CPU))
    took = time.perf_counter() - begin
    seconds, psnr = zip(*watched.points, strict=True)
    assert len(seconds) == len(time_to_quality.SHARES) and list(seconds) == sorted(seconds)
    assert seconds[0] > 0 and seconds[-1] <= took - PAUSE * len(seconds)
    assert psnr[-1] > psnr[0] + 1
