"""The nearest photo beside the words: diffusers' own loading of an IP-Adapter, on one of random numbers."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from commands import QUICK, call_recon, save_posed_scene
from PIL import Image
from synthetic import Truth
from tiny_diffusion import save_tiny_adapter, save_tiny_models
from torch import Tensor

from recon.errors import InputError
from recon.methods.repair import diffusion_pipelines
from recon.methods.repair.diffusion import DiffusionRepair, made_up, nearest_photo
from recon.methods.repair.diffusion_pipelines import DiffusionConfig, adapter_files, load_pipeline
from recon.methods.repair.diffusion_tiles import Room
from recon.methods.repair.loop import RepairedFit
from recon.methods.repair.warps import Warps
from recon.methods.table import METHODS, make_recipe

pytest.importorskip("diffusers", reason="diffusers is not installed: the extra priors")
CPU = torch.device("cpu")
RED, BLUE = Image.new("RGB", (30, 20), "red"), Image.new("RGB", (30, 20), "blue")
KINDS = [("img2img", "base"), ("inpaint", "base"), ("inpaint", "painter"), ("controlnet-tile", "base")]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, one for inpainting, a ControlNet and an IP-Adapter for all of them."""
    folder = save_tiny_models(tmp_path_factory.mktemp("models"))
    unet = load_pipeline(config_of(folder, ip_adapter=""), CPU).unet
    save_tiny_adapter(folder / "adapter", unet)
    return folder


def config_of(models: Path, kind: str = "img2img", model: str = "base", **values) -> DiffusionConfig:
    controlnet = str(models / "tile") if kind == "controlnet-tile" else ""
    config = DiffusionConfig(str(models / model), controlnet=controlnet, ip_adapter=str(models / "adapter"))
    return replace(config, kind=kind, steps=2, strength=1.0, **values)


def picture(config: DiffusionConfig, reference: Image.Image | None) -> Tensor:
    rgb, unseen = torch.full((20, 40, 3), 0.5), torch.ones(20, 40, dtype=torch.bool)
    return made_up(load_pipeline(config, CPU), rgb, unseen, 0, config, Room(), reference)


@pytest.mark.parametrize(("kind", "model"), KINDS)
def test_what_the_photo_shows_changes_the_picture_as_far_as_it_counts(models, kind, model):
    config = config_of(models, kind, model)
    red, blue = picture(config, RED), picture(config, BLUE)
    assert red.isfinite().all() and not torch.equal(red, blue)
    assert torch.equal(picture(config, RED), red)
    ignored = replace(config, ip_adapter_scale=0.0)
    assert torch.equal(picture(ignored, RED), picture(ignored, BLUE))
    torch.testing.assert_close(picture(ignored, RED), picture(replace(config, ip_adapter=""), None))
    assert torch.equal(picture(config, RED), red), "no longer ignored"


def test_the_nearest_photo_is_shown_whole_and_in_its_colours(small_truth: Truth):
    photos = small_truth.views
    moved = photos.cameras.camera_from_world.clone()
    moved[:, 0, 3] += 0.01
    cameras = replace(photos.cameras, camera_from_world=moved)
    for index in range(len(photos)):
        shown = nearest_photo(photos, cameras.select([index, index]), 1)
        width, height = photos.sizes[index]
        assert shown.size == (width, height)
        pixel = torch.tensor(shown.getpixel((3, 1))) / 255
        torch.testing.assert_close(pixel, photos.images[index][1, 3], atol=0.5 / 255 + 1e-6, rtol=0)


def test_the_repair_shows_the_photo_of_its_camera(small_truth: Truth, models, monkeypatch):
    views = small_truth.select(0, 1, 2)
    config = METHODS["recon"][1]
    parts = replace(config.repairing, diffusion=config_of(models))
    recipe = make_recipe(replace(config, repair="diffusion", repairing=parts), views.views, views.stereo)
    assert isinstance(recipe.loop, RepairedFit) and isinstance(recipe.loop.repair, DiffusionRepair)
    repair = recipe.loop.repair
    shown: list[Image.Image] = []
    encode = repair.pipeline.encode_image

    def look(image: Image.Image, *rest: object):
        shown.append(image)
        return encode(image, *rest)

    monkeypatch.setattr(repair.pipeline, "encode_image", look)
    rgb = views.views.images[1]
    hidden = torch.full((1, *rgb.shape[:2]), torch.inf)
    repair(views.views.cameras, 1, rgb, Warps(rgb[None], hidden, hidden, hidden))
    assert [image.tobytes() for image in shown] == [
        nearest_photo(views.views, views.views.cameras, 1).tobytes()
    ]


def pickled(file: Path) -> None:
    from safetensors.torch import load_file

    torch.save(load_file(file), file.with_name("pytorch_model.bin"))
    file.unlink()


def changed(file: Path, **values: Tensor | None) -> None:
    from safetensors.torch import load_file, save_file

    weights = {**load_file(file), **{name.replace("__", "."): value for name, value in values.items()}}
    save_file({n: w for n, w in weights.items() if w is not None}, file, metadata={"format": "pt"})


ADAPTER, ENCODER = "models/ip-adapter_sd15.safetensors", "models/image_encoder/model.safetensors"
FAULTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "cut off": (ADAPTER, lambda file: file.write_bytes(file.read_bytes()[:2000]), "no whole checkpoint"),
    "not there": (ADAPTER, Path.unlink, "no whole checkpoint"),
    "a layer": (ADAPTER, lambda file: changed(file, ip_adapter__1__to_k_ip__weight=None), "1.to_k_ip.weight"),
    "a norm": (ADAPTER, lambda file: changed(file, image_proj__norm__bias=None), "no whole checkpoint"),
    "of another model": (
        ADAPTER,
        lambda file: changed(file, ip_adapter__1__to_k_ip__weight=torch.zeros(8, 8)),
        "no whole checkpoint of an IP-Adapter for this model",
    ),
    "for another encoder": (
        ADAPTER,
        lambda file: changed(file, image_proj__proj__weight=torch.zeros(64, 9)),
        "no whole checkpoint of an IP-Adapter for this model",
    ),
    "no encoder": (ENCODER, Path.unlink, "no whole checkpoint of CLIPVisionModelWithProjection"),
    "pickled encoder": (ENCODER, pickled, "no whole checkpoint of CLIPVisionModelWithProjection"),
    "part of an encoder": (
        ENCODER,
        lambda file: changed(file, visual_projection__weight=None),
        "lacks 1 weights, visual_projection.weight",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_adapter_is_refused_in_a_sentence(models, tmp_path, fault):
    shutil.copytree(models / "adapter", tmp_path / "bad")
    file, break_it, said = FAULTS[fault]
    break_it(tmp_path / "bad" / file)
    with pytest.raises(InputError, match=said) as refused:
        load_pipeline(config_of(models, ip_adapter=str(tmp_path / "bad")), CPU)
    assert str(tmp_path / "bad" / "models") in str(refused.value)
    assert "\n" not in str(refused.value) and str(refused.value).endswith(".")


def test_pickled_adapters_are_not_read(models):
    with pytest.raises(
        InputError, match=r"sd15.bin is no file of safetensors.*--repairing.diffusion.ip-adapter-file"
    ):
        load_pipeline(config_of(models, ip_adapter_file="models/ip-adapter_sd15.bin"), CPU)


def test_a_pipeline_that_takes_no_adapter_says_so(models, monkeypatch):
    monkeypatch.setattr("diffusers.loaders.IPAdapterMixin", int)
    diffusion_pipelines._load.cache_clear()
    with pytest.raises(InputError, match="StableDiffusionImg2ImgPipeline takes no IP-Adapter"):
        load_pipeline(config_of(models), CPU)


def test_of_an_adapter_on_the_hub_the_chosen_file_is_fetched_with_its_encoder():
    from huggingface_hub.utils import filter_repo_objects

    encoder = {"models/image_encoder/config.json", "models/image_encoder/model.safetensors"}
    others = {
        "models/ip-adapter_sd15.bin",
        "models/ip-adapter-plus_sd15.safetensors",
        "models/image_encoder/pytorch_model.bin",
        "sdxl_models/ip-adapter_sdxl.safetensors",
        "sdxl_models/image_encoder/model.safetensors",
    }
    files = {DiffusionConfig().ip_adapter_file, *encoder}
    patterns = list(adapter_files(DiffusionConfig().ip_adapter_file))
    assert set(filter_repo_objects(files | others, allow_patterns=patterns)) == files
    assert adapter_files("mine.safetensors")[1] == "image_encoder/config.json"


def test_the_command_line_takes_an_adapter(models, tmp_path):
    photos = save_posed_scene(tmp_path / "photos")
    run = ("train", photos, *QUICK, "--output", tmp_path / "run", "--repair", "diffusion")
    few = ("--repairing.rounds", 1, "--repairing.pseudo-views.count", 1, "--repairing.diffusion.steps", 2)
    model = ("--repairing.diffusion.model", models / "base")
    adapter = ("--repairing.diffusion.ip-adapter", models / "adapter")
    assert call_recon(*run, *few, *model, *adapter).code == 0
