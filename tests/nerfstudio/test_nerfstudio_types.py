"""Cameras, model and pipeline between nerfstudio's types and ours."""

import pytest
import torch

from recon.errors import InputError
from recon.gaussians import Gaussians, sh0_from_rgb
from recon.geometry import project
from recon.rendering import pick_device, pick_engine, render
from recon.scene import Cameras

pytestmark = [
    pytest.mark.nerfstudio,
    pytest.mark.usefixtures("nerfstudio"),
    # It indexes by lists, which PyTorch will read otherwise one day.
    pytest.mark.filterwarnings("ignore:Using a non-tuple sequence"),
]


def some_gaussians(count: int, seed: int = 0, sh_degree: int = 1) -> Gaussians:
    """Around the middle of the synthetic scene."""
    generator = torch.Generator().manual_seed(seed)
    rgb = torch.rand(count, 1, 3, generator=generator)
    return Gaussians(
        means=torch.randn(count, 3, generator=generator) * 0.5 + torch.tensor([0.0, 0.0, 3.0]),
        quats=torch.randn(count, 4, generator=generator),
        log_scales=torch.full((count, 3), -2.0),
        logit_opacities=torch.randn(count, generator=generator),
        sh0=sh0_from_rgb(rgb),
        shN=torch.randn(count, (sh_degree + 1) ** 2 - 1, 3, generator=generator) * 0.1,
    )


def make_model():
    from nerfstudio.data.scene_box import SceneBox

    from recon.nerfstudio.model import SparseModelConfig

    box = SceneBox(aabb=torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]))
    return SparseModelConfig().setup(scene_box=box, num_train_data=3)


def test_nerfstudios_own_rays_go_where_our_cameras_see(small_truth):
    from recon.nerfstudio.cameras import to_nerfstudio

    cameras = small_truth.views.cameras
    for index in range(len(cameras)):
        rays = to_nerfstudio(cameras).generate_rays(camera_indices=index, keep_shape=True)
        points = (rays.origins + 3.0 * rays.directions)[::7, ::5]
        uv, z = project(points.reshape(-1, 3), cameras.Ks[index], cameras.camera_from_world[index])
        v, u = torch.meshgrid(torch.arange(24)[::7] + 0.5, torch.arange(32)[::5] + 0.5, indexing="ij")
        width, height = cameras.sizes[index]
        if (width, height) == (32, 24):
            assert torch.allclose(uv, torch.stack([u, v], dim=-1).reshape(-1, 2), atol=1e-3)
        assert bool((z > 0).all())


def test_cameras_come_back_as_they_went(small_truth):
    from recon.nerfstudio.cameras import from_nerfstudio, to_nerfstudio

    cameras = small_truth.views.cameras
    back = from_nerfstudio(to_nerfstudio(cameras))
    assert torch.allclose(back.camera_from_world, cameras.camera_from_world, atol=1e-5)
    assert torch.allclose(back.Ks, cameras.Ks) and back.sizes == cameras.sizes


def test_a_lens_that_is_no_pinhole_is_refused(small_truth):
    from nerfstudio.cameras.cameras import CameraType

    from recon.nerfstudio.cameras import from_nerfstudio, to_nerfstudio

    cameras = to_nerfstudio(small_truth.views.cameras)
    cameras.camera_type[1] = CameraType.FISHEYE.value
    with pytest.raises(InputError, match="pinhole"):
        from_nerfstudio(cameras)


@pytest.mark.parametrize("backdrop", [None, (0.2, 0.9, 0.4)])
def test_the_model_draws_what_our_engine_draws(small_truth, backdrop):
    from recon.nerfstudio.cameras import to_nerfstudio

    gaussians, cameras = some_gaussians(200).before(backdrop), small_truth.views.cameras
    model = make_model()
    model.show(gaussians, 0.5)
    outputs = model.get_outputs_for_camera(to_nerfstudio(cameras)[2:3])
    engine = pick_engine("auto", pick_device("cpu"))
    with torch.no_grad():
        drawn = render(gaussians, cameras, 2, engine, near=0.5).over(gaussians.backdrop)
    assert torch.allclose(outputs["rgb"], drawn.rgb.clamp(0, 1), atol=1e-4)
    assert torch.allclose(outputs["accumulation"][..., 0], drawn.alpha, atol=1e-4)
    hit = drawn.alpha > 0
    assert torch.allclose(outputs["depth"][..., 0][hit], drawn.depth[hit], atol=1e-3)
    assert bool((outputs["depth"][..., 0][~hit] >= drawn.depth.max()).all())


def test_nothing_within_the_near_plane_is_drawn(small_truth):
    from recon.nerfstudio.cameras import to_nerfstudio

    model, camera = make_model(), to_nerfstudio(small_truth.views.cameras)[:1]
    model.show(some_gaussians(50), 100.0)
    assert float(model.get_outputs_for_camera(camera)["accumulation"].max()) == 0


def test_a_checkpoint_of_any_size_is_loaded_into_a_new_model():
    model, other = make_model(), make_model()
    model.show(some_gaussians(70, sh_degree=2).before((0.1, 0.2, 0.3)), 0.25)
    other.show(some_gaussians(5), 0.0)
    other.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(other.means, model.means) and float(other.near) == 0.25
    assert other.config.sh_degree == 2 and torch.allclose(
        other.gaussians.backdrop, torch.tensor([0.1, 0.2, 0.3])
    )


def test_lpips_is_left_out_where_its_weights_are_not_to_be_had(monkeypatch):
    from recon.errors import MachineError
    from recon.nerfstudio import model as module

    def missing(*_: object) -> None:
        raise MachineError("LPIPS needs weights.")

    monkeypatch.setattr(module, "make_lpips", missing)
    photo = torch.rand(24, 32, 3)
    outputs = {"rgb": photo, "background": torch.zeros(3)}
    model = make_model().eval()
    metrics, pictures = model.get_image_metrics_and_images(outputs, {"image": photo})
    assert set(metrics) == {"psnr", "ssim"} and metrics["ssim"] == pytest.approx(1)
    assert pictures["img"].shape == (24, 64, 3)


def test_the_methods_are_listed_under_the_names_of_the_documentation():
    from nerfstudio.configs.dataparser_configs import all_dataparsers
    from nerfstudio.configs.method_configs import all_methods

    assert all_methods["recon-sparse"].method_name == "recon-sparse"
    assert "recon-photos" in all_dataparsers
    assert all_methods["recon-sparse"].viewer.websocket_host == "127.0.0.1"


def test_no_more_than_one_process_may_share_a_fit():
    from recon.nerfstudio.pipeline import SparsePipelineConfig

    with pytest.raises(InputError, match="one device"):
        SparsePipelineConfig().setup(device="cpu", world_size=2)


def test_a_camera_without_gaussians_before_it_sees_the_background(small_truth):
    from recon.nerfstudio.cameras import to_nerfstudio

    model = make_model()
    model.set_background(torch.tensor([0.1, 0.5, 0.9]))
    rgb = model.get_outputs_for_camera(to_nerfstudio(small_truth.views.cameras)[:1])["rgb"]
    assert torch.allclose(rgb, torch.tensor([0.1, 0.5, 0.9]).expand_as(rgb))
    assert isinstance(small_truth.views.cameras, Cameras)
