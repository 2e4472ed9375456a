"""Raw parameters, activated values and the constant of the colour."""

import math

import pytest
import torch

from recon.gaussians import SH_C0, Gaussians, rgb_from_sh0, sh0_from_rgb


def make_gaussians(count: int = 6, harmonics: int = 3) -> Gaussians:
    generator = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=generator)

    return Gaussians(normal(3), normal(4), normal(3), normal(), normal(1, 3), normal(harmonics, 3))


def test_activations_are_exp_and_sigmoid():
    gaussians = make_gaussians()
    assert gaussians.scales[2, 1].item() == pytest.approx(math.exp(gaussians.log_scales[2, 1].item()))
    raw = gaussians.logit_opacities[4].item()
    assert gaussians.opacities[4].item() == pytest.approx(1 / (1 + math.exp(-raw)))


@pytest.mark.parametrize(("harmonics", "degree"), [(0, 0), (3, 1), (8, 2), (15, 3)])
def test_degree_follows_from_the_number_of_coefficients(harmonics: int, degree: int):
    gaussians = make_gaussians(harmonics=harmonics)
    assert gaussians.sh_degree == degree
    assert gaussians.sh.shape == (6, harmonics + 1, 3)


def test_the_constant_coefficient_comes_first():
    gaussians = make_gaussians()
    assert torch.equal(gaussians.sh[:, :1], gaussians.sh0)
    assert torch.equal(gaussians.sh[:, 1:], gaussians.shN)


def test_every_raw_parameter_is_optimised():
    names = [name for name, _ in make_gaussians().named_parameters()]
    assert names == ["means", "quats", "log_scales", "logit_opacities", "sh0", "shN"]


def test_selection_is_a_copy_in_order():
    gaussians = make_gaussians()
    chosen = gaussians.select(torch.tensor([True, False, True, False, False, True]))
    assert len(chosen) == 3
    for (name, part), whole in zip(chosen.named_parameters(), gaussians.parameters(), strict=True):
        assert torch.equal(part, whole[[0, 2, 5]]), name
    with torch.no_grad():
        chosen.means.zero_()
    assert (gaussians.means[[0, 2, 5]] != 0).all()


def test_colours_and_coefficients_are_inverse():
    assert SH_C0 == pytest.approx(0.5 / math.sqrt(math.pi))
    rgb = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(rgb_from_sh0(sh0_from_rgb(rgb)), rgb)
    # 3DGS draws C0 sh0 + 1/2.
    torch.testing.assert_close(0.5 + SH_C0 * sh0_from_rgb(rgb), rgb)
