"""The fit that another loop steps through: step for step that of `recon train`."""

from dataclasses import replace

import pytest
import torch

import recon
from recon.api import ignore
from recon.events import Event, FitStarted, Progress
from recon.gaussians import Gaussians
from recon.methods.priors.single_view import NO_NETWORK
from recon.methods.table import METHODS, MethodConfig
from recon.nerfstudio.fit import SteppedFit
from recon.rendering import pick_device, pick_engine
from recon.scene import Scene, Views

ENGINE = pick_engine("auto", pick_device("cpu"))


def quick(method: str, steps: int = 12) -> MethodConfig:
    parts = METHODS[method][1]
    return replace(
        parts,
        stereo=replace(parts.stereo, max_planes=24),
        initialise=replace(parts.initialise, max_gaussians=300, border_spacing=12),
        fit=replace(parts.fit, max_steps=steps),
        prune=replace(parts.prune, every=5),
    )


def stepped(views: Views, parts: MethodConfig) -> SteppedFit:
    return SteppedFit(views, parts, ENGINE, NO_NETWORK, ignore)


def take(fit: SteppedFit, steps: int) -> SteppedFit:
    for _ in range(steps):
        fit.advance()
    return fit


def equal(a: Gaussians, b: Gaussians) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("method", ["recon", "cor-gs"])
def test_steps_taken_one_by_one_lead_where_recon_fit_leads(small_truth, method):
    scene = Scene(small_truth.views, small_truth.views.select([]))
    whole = recon.fit(scene, quick(method), device="cpu")
    fit = take(stepped(small_truth.views, quick(method)), 12)
    assert equal(fit.gaussians, whole.gaussians) and fit.near == whole.near


@pytest.mark.parametrize("method", ["recon", "cor-gs"])
def test_a_fit_put_down_and_taken_up_takes_the_same_course(small_truth, method):
    views, parts = small_truth.views, quick(method)
    first = take(stepped(views, parts), 7)
    kept = {name: tensor.clone() for name, tensor in first.tensors().items()}
    take(first, 5)
    second = stepped(views, parts)
    second.restore(kept, 7)
    assert equal(take(second, 5).gaussians, first.gaussians)


def test_after_the_last_step_there_is_none(small_truth):
    fit = take(stepped(small_truth.views, quick("recon", steps=2)), 2)
    with pytest.raises(StopIteration):
        fit.advance()


def test_a_scene_that_is_lost_is_noticed(small_truth):
    fit = stepped(small_truth.views, quick("recon", steps=60))
    with torch.no_grad():
        fit.gaussians.means.fill_(torch.nan)
    with pytest.raises(recon.errors.ReconError, match="means of every Gaussian"):
        take(fit, 30)


def test_watchers_hear_of_stereo_and_of_the_first_gaussians(small_truth):
    heard: list[Event] = []
    SteppedFit(small_truth.views, quick("recon"), ENGINE, NO_NETWORK, heard.append)
    assert [type(event) for event in heard] == [Progress] * 4 + [FitStarted]
