"""What is saved is what is loaded, bit for bit, and a damaged file says so."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from gsplat.strategy import DefaultStrategy
from synthetic import Truth

from recon.checkpoint import load_checkpoint, load_tensors, save_checkpoint, save_tensors
from recon.errors import InputError
from recon.initialise import initialise
from recon.methods.table import METHODS, MethodConfig, make_recipe
from recon.rendering.cpu import rasterize_cpu
from recon.trainer import FitState, Recipe, make_optimisers

CPU = torch.device("cpu")
GROW = DefaultStrategy(refine_start_iter=1, refine_every=4, reset_every=1000, grow_grad2d=1e-6)


def config_of(method: str) -> MethodConfig:
    config = METHODS[method][1]
    return replace(
        config,
        # Photos of 30 pixels have no keypoints to begin with.
        initialise=replace(config.initialise, points="stereo", max_gaussians=200, border_spacing=8),
        fit=replace(config.fit, max_steps=12),
        grow=GROW,
    )


def fitted(truth: Truth, config: MethodConfig, steps: int) -> tuple[FitState, Recipe]:
    gaussians = initialise(truth.views, truth.stereo, config.initialise)
    state = FitState(gaussians, make_optimisers(gaussians, config.fit.rates))
    recipe = make_recipe(config, truth.views, truth.stereo)
    loop = recipe.loop(truth.views, truth.stereo, state, recipe, rasterize_cpu, config.fit)
    for _ in range(steps):
        next(loop)
    return state, recipe


def moments(state: FitState) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value
        for name, optimiser in state.optimisers.items()
        for key, value in optimiser.state[getattr(state.gaussians, name)].items()
    }


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert torch.equal(value, b[name]), name


@pytest.mark.parametrize("method", METHODS)
def test_everything_that_a_step_changes_comes_back(small_truth: Truth, tmp_path: Path, method: str):
    config = config_of(method)
    state, recipe = fitted(small_truth, config, steps=6)  # after growing: all tensors were replaced
    path = tmp_path / "latest.safetensors"
    save_checkpoint(path, state, recipe)
    fresh = make_recipe(config, small_truth.views, small_truth.stereo)
    loaded = load_checkpoint(path, config.fit.rates, fresh, CPU)

    assert loaded.step == 6
    assert_same(dict(state.gaussians.named_parameters()), dict(loaded.gaussians.named_parameters()))
    assert moments(state)["means.exp_avg_sq"].any()
    assert_same(moments(state), moments(loaded))
    statistics = {k: v for k, v in recipe.strategy.state.items() if isinstance(v, torch.Tensor)}
    assert_same(statistics, {k: v for k, v in fresh.strategy.state.items() if isinstance(v, torch.Tensor)})
    assert statistics
    rates = {name: o.param_groups[0]["lr"] for name, o in loaded.optimisers.items() if name != "means"}
    assert rates == {name: getattr(config.fit.rates, name) for name in rates}


def test_gaussians_without_view_dependence_come_back(small_truth: Truth, tmp_path: Path):
    config = config_of("recon")
    config = replace(config, initialise=replace(config.initialise, sh_degree=0))
    state, recipe = fitted(small_truth, config, steps=1)
    save_checkpoint(tmp_path / "a", state, recipe)
    assert load_checkpoint(tmp_path / "a", config.fit.rates, recipe, CPU).gaussians.sh_degree == 0


def test_tensors_that_are_not_contiguous_come_back_in_their_order(tmp_path):
    tensor = torch.arange(6).reshape(2, 3).T
    save_tensors(tmp_path / "a", {"a": tensor}, {"views": ["x", "y"]})
    tensors, metadata = load_tensors(tmp_path / "a", CPU)
    assert torch.equal(tensors["a"], tensor)
    assert metadata == {"views": ["x", "y"]}


def test_a_damaged_file_is_named_with_the_remedy(tmp_path):
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"a": torch.arange(1000)}, {})
    whole = path.read_bytes()
    for content in (b"", b"words", whole[:200], whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.safetensors is damaged .*delete it to have it made again"):
            load_tensors(path, CPU)


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_a_single_bit_that_turned_over_is_seen(tmp_path, place):
    path = tmp_path / "a.safetensors"
    save_tensors(path, {"a": torch.rand(1000), "b": torch.ones(50, dtype=torch.bool)}, {"step": 3})
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        load_tensors(path, CPU)


def test_a_file_of_another_program_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="is damaged"):
        load_tensors(tmp_path / "a.safetensors", CPU)
