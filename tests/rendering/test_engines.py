"""The fast engines against the specification: values and all gradients."""

import pytest
import torch
from render_scenes import SCENES, RenderScene, gradients, random_scene

from recon.rendering import Engine, pick_engine
from recon.rendering.core import runnable_builds
from recon.rendering.cpu import rasterize_cpu
from recon.rendering.reference import rasterize_reference

FLOAT64 = (1e-12, 1e-11)
"""Allowed errors of values and of gradients, relative to the largest."""
FLOAT32 = (1e-4, 1e-3)
"""Needles, whose conics are ill-conditioned, need it; the other scenes stay under 1e-5 and 3e-5."""
FAST_MATH = (1e-3, 5e-3)
"""gsplat's kernels approximate exponentials and roots."""


def assert_close_to_reference(
    scene: RenderScene,
    engine: Engine,
    dtype: torch.dtype,
    tolerances: tuple[float, float],
    device: str = "cpu",
) -> None:
    # Always against float64: the error is then the engine's alone.
    expected = gradients(scene.to(torch.float64), rasterize_reference)
    found = gradients(scene.to(dtype, device), engine)
    for expected_part, found_part, tolerance in zip(expected, found, tolerances, strict=True):
        for name, value in expected_part.items():
            if value.numel() == 0:
                continue
            error = (found_part[name].cpu().double() - value.double()).abs()
            assert error.max() <= tolerance * value.double().abs().max().clamp(min=1e-3), name


@pytest.mark.parametrize("isa", runnable_builds())
@pytest.mark.parametrize("name", SCENES)
def test_every_build_agrees_with_the_reference(name: str, isa: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RECON_CORE_ISA", isa)
    assert_close_to_reference(SCENES[name](), rasterize_cpu, torch.float64, FLOAT64)
    assert_close_to_reference(SCENES[name](), rasterize_cpu, torch.float32, FLOAT32)


@pytest.mark.gpu
@pytest.mark.parametrize("name", SCENES)
def test_cuda_agrees_with_the_reference(name: str):
    engine = pick_engine("cuda", torch.device("cuda"))
    assert_close_to_reference(SCENES[name](), engine, torch.float32, FAST_MATH, "cuda")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_and_two_threads_give_the_same_bits(dtype: torch.dtype):
    # Several chunks of Gaussians and several tiles, so that there is something to share out.
    scene = random_scene(20, count=5000, width=150, height=90)
    threads = torch.get_num_threads()
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(gradients(scene.to(dtype), rasterize_cpu))
    torch.set_num_threads(threads)
    for one, two in zip(*results, strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)


def break_means(scene: RenderScene) -> None:
    scene.means[::3] = float("nan")
    scene.means[1::3] = float("inf")


def break_quats(scene: RenderScene) -> None:
    scene.quats[::2] = 0


def break_scales(scene: RenderScene) -> None:
    scene.scales[::2] = 1e30
    scene.scales[1::4] = float("-inf")


def break_opacities(scene: RenderScene) -> None:
    scene.opacities[::2] = float("nan")
    scene.opacities[1::4] = -1


def break_sh(scene: RenderScene) -> None:
    scene.sh[::2, 0] = float("nan")


@pytest.mark.parametrize("engine", [rasterize_cpu, rasterize_reference])
@pytest.mark.parametrize("damage", [break_means, break_quats, break_scales, break_opacities, break_sh])
def test_broken_gaussians_are_not_drawn_and_leave_the_others_alone(engine: Engine, damage):
    whole = random_scene(21)
    broken = whole.to(torch.float32)
    with torch.no_grad():
        damage(broken)
    values, found = gradients(broken, engine)
    assert all(value.isfinite().all() for value in [*values.values(), *found.values()])

    # What is left must look like a scene of the undamaged Gaussians alone.
    intact = torch.ones(len(whole.means), dtype=torch.bool)
    for name in ("means", "quats", "scales", "opacities", "sh"):
        before, after = getattr(whole.to(torch.float32), name), getattr(broken, name)
        intact &= (before == after).flatten(1 if before.dim() > 1 else 0).reshape(len(intact), -1).all(1)
    for name in ("means", "quats", "scales", "opacities", "sh"):
        setattr(whole, name, getattr(whole, name)[intact])
    expected, _ = gradients(whole.to(torch.float32), engine)
    torch.testing.assert_close(values["rgb"], expected["rgb"])


@pytest.mark.parametrize("engine", [rasterize_cpu, rasterize_reference])
def test_a_broken_pose_draws_nothing(engine: Engine):
    scene = random_scene()
    scene.camera_from_world[:3] = float("nan")
    rendering = scene.draw(engine)
    assert rendering.rgb.abs().max() == 0 and rendering.radii.max() == 0


@pytest.mark.parametrize("engine", [rasterize_cpu, rasterize_reference])
def test_gaussians_larger_than_the_frame_fill_it(engine: Engine):
    scene = random_scene(22, count=1).to(torch.float32)
    with torch.no_grad():
        scene.means[:] = torch.tensor([0, 0, 4.0])
        scene.scales[:] = 1e4
        scene.opacities[:] = 0.5
    rendering = scene.draw(engine)
    torch.testing.assert_close(rendering.alpha, torch.full_like(rendering.alpha, 0.5))


def test_cpu_gradients_are_right_after_an_interleaved_forward():
    """Two renderings may be alive before the first backward pass, as in the shifted-camera loss."""
    scene = random_scene(23)
    _, expected = gradients(scene.to(torch.float64), rasterize_cpu)
    one, other = scene.to(torch.float64), random_scene(24).to(torch.float64)
    rendering = one.draw(rasterize_cpu)
    other.draw(rasterize_cpu).rgb.sum().backward()
    generator = torch.Generator().manual_seed(0)
    loss = torch.zeros((), dtype=torch.float64)
    for image in (rendering.rgb, rendering.depth, rendering.alpha):
        loss = loss + (torch.randn(image.shape, generator=generator, dtype=torch.float64) * image).sum()
    loss.backward()
    for name in ("means", "quats", "scales", "opacities", "sh"):
        torch.testing.assert_close(one.leaves[name].grad, expected[f"d {name}"])


@pytest.mark.parametrize("engine", [rasterize_cpu, rasterize_reference])
def test_degrees_that_cannot_be_drawn_are_refused(engine: Engine):
    with pytest.raises(ValueError, match="sh_degree 2 needs 9 coefficients, not 4"):
        random_scene(sh=torch.zeros(200, 4, 3, dtype=torch.float64), sh_degree=2).draw(engine)
    with pytest.raises(ValueError, match="sh_degree 4"):
        random_scene(sh_degree=4).draw(engine)


@pytest.mark.parametrize("engine", [rasterize_cpu, rasterize_reference])
def test_wrong_shapes_are_refused(engine: Engine):
    scene = random_scene()
    scene.quats = scene.quats[:-1]
    with pytest.raises(Exception, match="Type-check"):
        scene.draw(engine)


def test_cpu_refuses_mixed_float_types():
    scene = random_scene()
    scene.means = scene.means.float()
    with pytest.raises(ValueError, match="all float32 or all float64"):
        scene.draw(rasterize_cpu)
