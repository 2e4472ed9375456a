"""The gradient of score distillation by hand, and that photos keep what they show."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from commands import QUICK, call_recon, save_posed_scene
from jaxtyping import TypeCheckError
from moments import make_moment
from synthetic import Truth
from tiny_diffusion import save_tiny
from torch import Tensor

from recon.errors import InputError
from recon.methods.regulariser import Moment
from recon.methods.repair.diffusion_pipelines import DiffusionConfig
from recon.methods.repair.diffusion_score import DiffusionScore, load_score
from recon.methods.score_distillation import (
    ScoreDistillation,
    ScoreDistillationConfig,
    distillation_gradient,
    distillation_loss,
    photos_that_see,
)

CONFIG = ScoreDistillationConfig(weight=1.0, every=1)
SIZE = (20, 37)


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_gradient_by_hand():
    seen, put = torch.tensor([[[[3.0, 1.0]]]]), torch.tensor([[[[1.0, 2.0]]]])
    found = distillation_gradient(seen, put, torch.tensor(0.75), torch.tensor([[1.0, 0.5]]))
    assert found.tolist() == [[[[0.25 * 2, 0.25 * -1 * 0.5]]]]


def test_nothing_changes_where_the_model_sees_the_noise_that_was_put_there():
    put = noise(0, 1, 4, 5, 6)
    assert (distillation_gradient(put, put, torch.tensor(0.3), torch.ones(5, 6)) == 0).all()


def test_nothing_changes_where_nothing_lacks():
    lack = torch.ones(5, 6)
    lack[:, :2] = 0
    found = distillation_gradient(noise(1, 1, 4, 5, 6), noise(2, 1, 4, 5, 6), torch.tensor(0.3), lack)
    assert (found[..., :2] == 0).all() and (found[..., 2:] != 0).all()


def test_without_noise_nothing_is_learnt():
    found = distillation_gradient(
        noise(1, 1, 4, 5, 6), noise(2, 1, 4, 5, 6), torch.tensor(1.0), torch.ones(5, 6)
    )
    assert (found == 0).all()


def test_a_weight_of_another_size_is_refused():
    with pytest.raises(TypeCheckError):
        distillation_gradient(noise(1, 1, 4, 5, 6), noise(2, 1, 4, 5, 6), torch.tensor(0.3), torch.ones(6, 5))


def test_the_loss_has_the_gradient_to_the_bit_however_small():
    rgb, gradient = torch.rand(4, 5, 3), 1e-9 * noise(3, 4, 5, 3)
    rgb.requires_grad_()
    loss = distillation_loss(rgb, gradient)
    loss.backward()
    assert torch.equal(rgb.grad, gradient)
    assert loss.item() == pytest.approx(0.5 * gradient.square().sum().item())
    assert distillation_loss(rgb, torch.zeros_like(rgb)).item() == 0


def seen_from(truth: Truth, index: int, depth: Tensor, tolerance: float = 0.05, **masks: Tensor) -> Tensor:
    views = truth.views
    if masks:
        views = replace(views, masks=tuple(masks.get(f"of_{i}", m) for i, m in enumerate(views.masks)))
    cameras = views.cameras
    return photos_that_see(
        depth, cameras.Ks[index], cameras.world_from_camera[index], views, truth.stereo, tolerance
    )


def test_a_photo_sees_its_own_surface_and_what_stands_before_it(small_truth: Truth):
    alone = small_truth.select(0)
    depth = alone.depths[0]
    assert (seen_from(alone, 0, depth) == 1).all()
    assert (seen_from(alone, 0, 0.5 * depth) == 1).all()
    assert (seen_from(alone, 0, 1.04 * depth) == 1).all()


def test_a_photo_does_not_see_behind_its_surface_nor_under_its_mask_nor_what_is_no_surface(
    small_truth: Truth,
):
    alone = small_truth.select(0)
    depth = alone.depths[0]
    assert (seen_from(alone, 0, 1.06 * depth) == 0).all()
    assert (seen_from(alone, 0, torch.zeros_like(depth)) == 0).all()
    mask = torch.rand(depth.shape, generator=torch.Generator().manual_seed(1)) > 0.5
    assert torch.equal(seen_from(alone, 0, depth, of_0=mask), mask.long())


def test_photos_from_elsewhere_count_where_the_point_lies_in_them(small_truth: Truth):
    """Against the truth: of surfaces that lie in both photos, most are hidden from neither."""
    both = small_truth.select(0, 1)
    count = seen_from(both, 0, both.depths[0])
    assert count.min() == 1 and count.max() == 2
    assert (count == 2).float().mean() > 0.5


class Wish:
    """A score that wants red wherever something lacks."""

    def __init__(self) -> None:
        self.lacks: list[Tensor] = []

    def __call__(self, rgb: Tensor, lack: Tensor, generator: torch.Generator) -> Tensor:
        self.lacks.append(lack)
        return lack[..., None] * torch.tensor([-1.0, 0.0, 0.0])


def moment_of(truth: Truth, **values: float) -> tuple[Moment, list[Tensor]]:
    """A moment, and the pictures that are drawn from other places in it."""
    moment, pictures = make_moment(truth, **values), []

    def watched(pose: Tensor):
        drawn = moment.render_from(pose)
        pictures.append(drawn.rgb.requires_grad_())
        return drawn

    # A number near 1: the camera lies beyond the second photo.
    generator = torch.Generator().manual_seed(1)
    return replace(moment, render_from=watched, generator=generator), pictures


def test_pixels_that_a_photo_sees_are_left_alone_and_others_follow_the_model(small_truth: Truth):
    wish, weight = Wish(), 0.3
    term = ScoreDistillation(replace(CONFIG, weight=weight, every=2, outside=2.0), (1, 0, 0, 0), wish)
    moment, pictures = moment_of(small_truth)
    loss = term.loss(moment)
    assert loss is not None
    loss.backward()
    (lack,), (picture,) = wish.lacks, pictures
    assert set(lack.unique().tolist()) == {0.0, 1.0}, "some of it is seen, and some is not"
    assert (picture.grad[lack == 0] == 0).all()
    torch.testing.assert_close(picture.grad[lack == 1][:, 0], torch.full((int(lack.sum()),), -2 * weight))


def test_a_pixel_counts_by_the_share_of_photos_that_lack(small_truth: Truth):
    wish = Wish()
    partners = (0, 1, 2, 3)
    term = ScoreDistillation(replace(CONFIG, photos=8), partners, wish)
    moment, _ = moment_of(small_truth)
    term.loss(moment)
    count = seen_from(small_truth, 0, small_truth.depths[0])
    torch.testing.assert_close(wish.lacks[0], 1 - count / 8, atol=0.26, rtol=0)
    assert (wish.lacks[0] - (1 - count / 8)).abs().mean() < 0.02


@pytest.mark.parametrize(("progress", "step"), [(0.49, 0), (0.9, 0), (0.6, 3)])
def test_it_waits_for_its_time(small_truth: Truth, progress, step):
    wish = Wish()
    term = ScoreDistillation(replace(CONFIG, every=2), (1, 0, 0, 0), wish)
    assert term.loss(make_moment(small_truth, progress=progress, step=step)) is None and not wish.lacks


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, and one for inpainting."""
    pytest.importorskip("diffusers", reason="diffusers is not installed: the extra priors")
    folder = tmp_path_factory.mktemp("models")
    save_tiny(folder / "base")
    save_tiny(folder / "painter", channels=9)
    return folder


def score_of(models: Path, model: str = "base", **values) -> DiffusionScore:
    return load_score(DiffusionConfig(str(models / model), **values), torch.device("cpu"))


def asked(score: DiffusionScore, lack: Tensor, seed: int = 0) -> Tensor:
    rgb = torch.rand(*SIZE, 3, generator=torch.Generator().manual_seed(4))
    return score(rgb, lack, torch.Generator().manual_seed(seed))


def right_half() -> Tensor:
    return (torch.arange(SIZE[1]) >= 16).float().expand(SIZE)


@pytest.mark.parametrize("model", ["base", "painter"])
@pytest.mark.parametrize("max_size", [768, 30])
def test_the_model_changes_pixels_that_lack_and_no_others(models, model, max_size):
    lack = right_half()
    found = asked(score_of(models, model, max_size=max_size), lack)
    assert found.isfinite().all() and (found[lack == 0] == 0).all()
    assert (found[lack == 1] != 0).float().mean() > 0.9
    assert torch.equal(found, asked(score_of(models, model, max_size=max_size), lack)), "the same noise"
    assert not torch.equal(found, asked(score_of(models, model, max_size=max_size), lack, seed=1))


def test_the_gradient_goes_through_the_encoder_as_by_hand(models):
    """In a picture that needs neither padding nor another size, all of which lacks."""
    score = score_of(models)
    rgb = torch.rand(16, 32, 3, generator=torch.Generator().manual_seed(4)).requires_grad_()
    found = score(rgb.detach(), torch.ones(16, 32), torch.Generator().manual_seed(0))

    generator = torch.Generator().manual_seed(0)
    vae, unet, scheduler = score.pipeline.vae, score.pipeline.unet, score.pipeline.scheduler
    latents = vae.encode(2 * rgb.permute(2, 0, 1)[None] - 1).latent_dist.mean * vae.config.scaling_factor
    level = int((0.02 + 0.96 * torch.rand(1, generator=generator)) * 1000)
    put = torch.randn(1, 4, 8, 16, generator=generator)
    share = scheduler.alphas_cumprod[level]
    with torch.no_grad():
        noisy = share.sqrt() * latents + (1 - share).sqrt() * put
        seen = unet(noisy, level, encoder_hidden_states=score.words).sample
    (latents * (1 - share) * (seen - put)).mean().backward()
    torch.testing.assert_close(found, rgb.grad)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_model_that_sees_just_the_noise_changes_nothing(models, prediction):
    score = score_of(models)
    score.schedule.register_to_config(prediction_type=prediction)
    clean: list[Tensor] = []

    def all_knowing(unet: object, inputs: tuple[Tensor, ...], output):
        generator = torch.Generator().manual_seed(0)
        torch.rand(1, generator=generator)
        put = torch.randn(inputs[0].shape, generator=generator)
        share = score.schedule.alphas_cumprod[inputs[1][0]]
        clean.append((inputs[0] - (1 - share).sqrt() * put) / share.sqrt())
        velocity = share.sqrt() * put - (1 - share).sqrt() * clean[-1]
        output.sample = put if prediction == "epsilon" else velocity
        return output

    handle = score.pipeline.unet.register_forward_hook(all_knowing)
    found = asked(score, torch.ones(SIZE))
    handle.remove()
    assert len(clean) == 1
    torch.testing.assert_close(found, torch.zeros_like(found), atol=1e-7, rtol=0)
    assert asked(score, torch.ones(SIZE)).abs().max() > 1e-5


def test_what_overflows_is_left_out(models):
    score = score_of(models)

    def overflow(unet: object, inputs: object, output):
        output.sample = output.sample * torch.inf
        return output

    handle = score.pipeline.unet.register_forward_hook(overflow)
    assert (asked(score, torch.ones(SIZE)) == 0).all()
    handle.remove()


def test_the_prompt_counts_as_far_as_guidance_says(models):
    lack = torch.ones(SIZE)
    plain, wall, guided, more = (
        asked(score_of(models, prompt=prompt, guidance=guidance), lack)
        for prompt, guidance in (("", 1.0), ("wall", 1.0), ("wall", 3.0), ("wall", 5.0))
    )
    assert not torch.equal(plain, wall)
    torch.testing.assert_close(guided, plain + 3 * (wall - plain))
    torch.testing.assert_close(more, plain + 5 * (wall - plain))


@pytest.mark.parametrize("name", ["controlnet", "ip_adapter"])
def test_networks_beside_the_model_are_refused(models, name):
    with pytest.raises(InputError, match="asks a model alone"):
        score_of(models, **{name: "somebody/network"})


def test_a_model_that_predicts_something_else_is_refused(models):
    score = score_of(models)
    score.pipeline.scheduler.register_to_config(prediction_type="sample")
    with pytest.raises(InputError, match="base is not asked for a score"):
        score_of(models)
    score.pipeline.scheduler.register_to_config(prediction_type="epsilon")


def test_the_command_line_distils(models, tmp_path):
    photos = save_posed_scene(tmp_path / "photos")
    run = ("train", photos, *QUICK, "--output", tmp_path / "run")
    model = ("--repairing.diffusion.model", models / "base")
    assert (
        call_recon(*run, *model, "--score-distillation.weight", 1, "--score-distillation.every", 5).code == 0
    )


def test_without_a_model_it_says_how_to_name_one(small_truth: Truth):
    with pytest.raises(InputError, match="--repairing.diffusion.model"):
        load_score(DiffusionConfig(), torch.device("cpu"))
