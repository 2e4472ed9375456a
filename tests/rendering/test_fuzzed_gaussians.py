"""Gaussians of values that no fit should make: what cannot be drawn is not drawn, all else stays finite."""

import math

import pytest
import torch
from render_scenes import RenderScene, gradients, random_scene

from recon.rendering import Engine, pick_engine
from recon.rendering.cpu import rasterize_cpu
from recon.rendering.reference import rasterize_reference

FIELDS = ("means", "quats", "scales", "opacities", "sh")
NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))
"""An infinite colour is clamped to black or refused, an infinite opacity clamped: NaN alone counts there."""
EXTREMES = (0.0, -0.0, 1e-45, -1e-45, 1e-38, 1e-20, -1.0, 1e4, 1e10, -1e10)
"""Zeros, denormals, and what is far beyond any scene."""
OVERFLOWING = (3e38, -3e38)
"""Overflow when they are squared. Not as a colour, whose gradient is in the end infinite too, nor as an
opacity, which a sigmoid keeps under 1."""
QUICK, MANY = range(15), range(15, 300)
SEEDS = [*QUICK, *(pytest.param(i, marks=[pytest.mark.slow, pytest.mark.soak]) for i in MANY)]


def fuzzed(seed: int) -> tuple[RenderScene, torch.Tensor]:
    """A cloud with extreme values in a third of its Gaussians, and which of those hold what is no number."""
    scene = random_scene(seed, count=60).to(torch.float32)
    generator = torch.Generator().manual_seed(seed)
    lost = torch.zeros(60, dtype=torch.bool)
    with torch.no_grad():
        for index in torch.randperm(60, generator=generator)[:20].tolist():
            field = FIELDS[int(torch.randint(len(FIELDS), (1,), generator=generator))]
            is_shape = field in ("means", "quats", "scales")
            lost_values = NO_NUMBERS if is_shape else NO_NUMBERS[:1]
            finite = EXTREMES + (OVERFLOWING if is_shape else ())
            values = lost_values if torch.rand(1, generator=generator) < 0.3 else finite
            value = values[int(torch.randint(len(values), (1,), generator=generator))]
            part = getattr(scene, field)[index].view(-1)
            used = min(part.numel(), 12)  # coefficients of degree 0 and 1, which are drawn
            part[int(torch.randint(used, (1,), generator=generator))] = value
            if torch.rand(1, generator=generator) < 0.2:
                scene.quats[index] = 0
            lost[index] = not math.isfinite(value)
        lost |= scene.quats.norm(dim=1) == 0
    return scene, lost


def assert_harmless(seed: int, engine: Engine, device: str = "cpu") -> None:
    scene, lost = fuzzed(seed)
    values, found = gradients(scene.to(torch.float32, device), engine)
    for name, value in (values | found).items():
        assert value.isfinite().all(), name
    assert values["alpha"].min() >= 0 and values["alpha"].max() <= 1
    assert (values["radii"].cpu()[lost] == 0).all()
    # Without those that cannot be drawn, the picture is the same.
    for name in FIELDS:
        setattr(scene, name, getattr(scene, name).detach()[~lost])
    expected, _ = gradients(scene.to(torch.float32, device), engine)
    torch.testing.assert_close(values["rgb"], expected["rgb"])


@pytest.mark.parametrize("engine", [rasterize_cpu, rasterize_reference])
@pytest.mark.parametrize("seed", SEEDS)
def test_extreme_gaussians_do_no_harm(seed: int, engine: Engine):
    assert_harmless(seed, engine)


@pytest.mark.gpu
@pytest.mark.parametrize("seed", QUICK)
def test_extreme_gaussians_do_no_harm_on_a_gpu(seed: int):
    assert_harmless(seed, pick_engine("cuda", torch.device("cuda")), "cuda")
