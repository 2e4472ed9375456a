"""Repair by diffusion: the real loading and stepping code of diffusers, on tiny models of random numbers."""

import json
import math
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import pytest
import torch
from commands import QUICK, call_recon, save_posed_scene
from synthetic import Truth
from thirds import thirds
from tiny_diffusion import save_tiny_lora, save_tiny_models
from torch import Tensor

from recon.errors import InputError, MachineError
from recon.initialise import initialise
from recon.methods.repair import diffusion_pipelines
from recon.methods.repair.blend import BlendConfig, Repaired, blend
from recon.methods.repair.diffusion import DiffusionRepair, made_up
from recon.methods.repair.diffusion_pipelines import DiffusionConfig, load_pipeline
from recon.methods.repair.diffusion_tiles import Room
from recon.methods.repair.loop import RepairedFit
from recon.methods.table import METHODS, make_recipe
from recon.rendering.cpu import rasterize_cpu
from recon.scene import Cameras
from recon.trainer import FitState, make_optimisers

diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: the extra priors")
CPU = torch.device("cpu")
BLEND = BlendConfig()
SIZE = (25, 37)
CAMERAS = Cameras(torch.eye(4)[None], torch.eye(3)[None], (SIZE[::-1],))
"""A repair by diffusion asks nothing of it but its number."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, one for inpainting, and a ControlNet."""
    return save_tiny_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, no way out, and nothing loaded yet."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    diffusion_pipelines._load.cache_clear()


def config_of(models: Path, kind: str = "img2img", model: str = "base", **values) -> DiffusionConfig:
    controlnet = str(models / "tile") if kind == "controlnet-tile" else ""
    config = DiffusionConfig(str(models / model), controlnet=controlnet, steps=2, strength=1.0)
    return replace(config, kind=kind, **values)


def repaired(config: DiffusionConfig, index: int = 0) -> Repaired:
    rgb, warps, _ = thirds(SIZE)
    return DiffusionRepair(load_pipeline(config, CPU), config, BLEND)(CAMERAS, index, rgb, warps)


KINDS = [("img2img", "base"), ("inpaint", "base"), ("inpaint", "painter"), ("controlnet-tile", "base")]


@pytest.mark.parametrize(("kind", "model"), KINDS)
def test_the_model_paints_where_no_photo_sees_and_nowhere_else(models, kind, model):
    rgb, warps, third = thirds(SIZE)
    config = config_of(models, kind, model)
    found, mended = repaired(config), blend(rgb, warps, BLEND)
    assert torch.equal(found.rgb[third == 0], rgb[third == 0]), "two photos explain it: to the bit"
    assert (found.confidence[third == 0] == 1).all()
    assert torch.equal(found.rgb[third == 1], mended.rgb[third == 1])
    assert not torch.equal(found.rgb[third == 1], rgb[third == 1])
    assert torch.equal(found.confidence[third == 1], mended.confidence[third == 1])
    assert ((found.rgb - rgb).abs().amax(-1)[third == 2] > 0).float().mean() > 0.9
    assert (found.confidence[third == 2] == config.confidence).all() and config.confidence < 0.2
    assert found.rgb.min() >= 0 and found.rgb.max() <= 1


def test_the_same_camera_gets_the_same_picture_and_another_one_another(models):
    config = config_of(models)
    torch.manual_seed(1)
    first = repaired(config)
    torch.manual_seed(2)
    drawn = torch.get_rng_state()
    assert torch.equal(repaired(config).rgb, first.rgb)
    assert torch.equal(torch.get_rng_state(), drawn), "the fit's own random numbers stay as they were"
    assert not torch.equal(repaired(config, index=1).rgb, first.rgb)


@pytest.mark.parametrize(("size", "max_size"), [((16, 32), 768), ((7, 50), 768), ((33, 20), 16), ((1, 3), 2)])
def test_pictures_of_every_size_come_back_in_it(models, size, max_size):
    config = config_of(models, "inpaint", max_size=max_size)
    rgb, _, third = thirds(size)
    asked: list[tuple[int, ...]] = []
    pipeline = load_pipeline(config, CPU)
    with pytest.MonkeyPatch.context() as patch:
        encode = pipeline.vae.encode
        patch.setattr(pipeline.vae, "encode", lambda x, *a, **k: (asked.append(tuple(x.shape)), encode(x))[1])
        made = made_up(pipeline, rgb, third == 2, 0, config, Room())
    assert made.shape == rgb.shape and made.isfinite().all()
    scale = min(1, max_size / max(size))
    expected = tuple(math.ceil(max(1, round(scale * side)) / 16) * 16 for side in size)
    assert asked and all(shape[2:] == expected for shape in asked)


@pytest.mark.parametrize(
    ("part", "pixels", "room"),
    [("vae.decoder", 8 * 8, Room(divides=True)), ("unet", 16 * 32, Room(side=64.0, divides=True))],
)
@pytest.mark.parametrize(("kind", "model"), KINDS)
def test_a_network_without_room_is_asked_for_tiles(models, kind, model, part, pixels, room, caplog):
    """By diffusers' own code: the autoencoder's tiles, and the whole pipeline's pictures of every tile."""
    config = config_of(models, kind, model)
    pipeline = load_pipeline(config, CPU)

    def without_room(network: object, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].shape[-2:].numel() > pixels:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    attrgetter(part)(pipeline).register_forward_pre_hook(without_room)
    rgb, _, third = thirds((30, 155))
    found = Room()
    made = made_up(pipeline, rgb, third == 2, 0, config, found)
    assert found == room and len(caplog.records) == 1
    assert made.shape == rgb.shape and made.isfinite().all()
    assert ((made - rgb).abs().amax(-1)[third == 2] > 0).float().mean() > 0.9


def test_inpainting_is_asked_for_the_unseen_pixels_of_the_blend(models):
    rgb, warps, third = thirds((16, 48))
    given: dict[str, Tensor] = {}

    def paint(image: Tensor, mask_image: Tensor, **options: object):
        given.update(image=image[0].permute(1, 2, 0), mask=mask_image[0, 0])
        return type("Answer", (), {"images": 1 - image})

    paint.vae_scale_factor = 2
    found = DiffusionRepair(paint, config_of(models, "inpaint"), BLEND)(CAMERAS, 0, rgb, warps)
    assert torch.equal(given["mask"], (third == 2).float())
    assert torch.equal(given["image"], blend(rgb, warps, BLEND).rgb)
    assert torch.equal(found.rgb[third == 2], 1 - rgb[third == 2]), "each pixel in its place"


def test_numbers_that_are_none_leave_the_blend(models):
    rgb, warps, third = thirds(SIZE)

    def broken(image: Tensor, **options: object):
        return type("Answer", (), {"images": image * math.nan})

    broken.vae_scale_factor = 2
    found = DiffusionRepair(broken, config_of(models), BLEND)(CAMERAS, 0, rgb, warps)
    assert torch.equal(found.rgb, blend(rgb, warps, BLEND).rgb)
    assert (found.confidence[third == 2] == 0).all()


def test_a_model_is_read_once_a_process(models):
    config = config_of(models)
    assert load_pipeline(config, CPU) is load_pipeline(replace(config, prompt="a wall"), CPU)


def test_words_and_a_lora_change_the_picture(models, tmp_path):
    pytest.importorskip("peft", reason="peft is not installed: the extra priors")
    config = config_of(models)
    plain = repaired(config).rgb
    assert not torch.equal(repaired(replace(config, prompt="a wall", guidance=4.0)).rgb, plain)
    lora = save_tiny_lora(tmp_path / "lora", load_pipeline(config, CPU))
    diffusion_pipelines._load.cache_clear()
    assert torch.equal(repaired(config).rgb, plain)
    assert not torch.equal(repaired(replace(config, lora=str(lora))).rgb, plain)


def test_of_a_model_on_the_hub_the_parts_that_are_read_are_fetched_and_no_others(models):
    from huggingface_hub.utils import filter_repo_objects

    needed = {str(file.relative_to(models / "base")) for file in (models / "base").rglob("*.*")}
    others = {
        "v1-5-pruned.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "safety_checker/config.json",
        "safety_checker/model.safetensors",
        "text_encoder/pytorch_model.bin",
        "pipeline.py",
    }
    fetched = filter_repo_objects(needed | others, allow_patterns=list(diffusion_pipelines.FILES))
    assert set(fetched) == needed


def without_a_weight(file: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(file)
    weights.pop(sorted(weights)[0])
    save_file(weights, file, metadata={"format": "pt"})


def pickled(file: Path) -> None:
    from safetensors.torch import load_file

    names = {"diffusion_pytorch_model": "diffusion_pytorch_model.bin", "model": "pytorch_model.bin"}
    torch.save(load_file(file), file.with_name(names[file.stem]))
    file.unlink()


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])


def of_another_library(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"unet": ["somebody", "Network"]}))


UNET, WORDS = "unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "pickled": (lambda folder: pickled(folder / UNET), "no whole checkpoint of UNet2DConditionModel"),
    "pickled words": (lambda folder: pickled(folder / WORDS), "no whole checkpoint of CLIPTextModel"),
    "cut off": (lambda folder: cut_off(folder / UNET), "no whole checkpoint of UNet2DConditionModel"),
    "a weight": (lambda folder: without_a_weight(folder / UNET), "lacks 1 weights"),
    "a weight for words": (lambda folder: without_a_weight(folder / WORDS), "lacks 1 weights"),
    "no index": (lambda folder: (folder / "model_index.json").unlink(), "no whole checkpoint"),
    "no tokens": (lambda folder: shutil.rmtree(folder / "tokenizer"), "lacks its vocabulary"),
    "no scheduler": (lambda folder: shutil.rmtree(folder / "scheduler"), "no whole checkpoint"),
    "code": (
        lambda folder: (folder / "pipeline.py").write_text("raise SystemExit"),
        "brings code of its own",
    ),
    "parts of others": (of_another_library, "wants Network of somebody"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_model_is_refused_in_a_sentence(models, tmp_path, fault):
    folder = tmp_path / "bad"
    shutil.copytree(models / "base", folder)
    break_it, said = FAULTS[fault]
    break_it(folder)
    with pytest.raises(InputError, match=said) as refused:
        load_pipeline(config_of(models, model=str(folder)), CPU)
    assert str(folder) in str(refused.value) and str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["controlnet", "lora"])
def test_what_goes_with_the_model_is_refused_alike(models, tmp_path, name):
    pytest.importorskip("peft", reason="peft is not installed: the extra priors")
    (tmp_path / "empty").mkdir()
    kind = "controlnet-tile" if name == "controlnet" else "img2img"
    with pytest.raises(InputError, match="no whole checkpoint") as refused:
        load_pipeline(replace(config_of(models, kind), **{name: str(tmp_path / "empty")}), CPU)
    assert "empty" in str(refused.value)


@pytest.mark.parametrize("missing", ["diffusers", "transformers", "peft"])
def test_a_missing_package_is_named_with_the_way_to_get_it(models, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MachineError, match=rf"needs {missing}; run `pip install 'recon\[priors\]'`"):
        load_pipeline(config_of(models, lora=str(models / "tile")), CPU)


def test_a_package_that_diffusers_asks_for_is_named(models, monkeypatch):
    """As sentencepiece, which some tokenizers need; diffusers has seen peft here, and wants it back."""
    pytest.importorskip("peft", reason="peft is not installed: the extra priors")
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MachineError, match=r"\(peft is missing\); install it\.$"):
        load_pipeline(config_of(models), CPU)


def test_offline_a_model_that_is_not_in_the_cache_is_named_with_the_way_to_get_it(models):
    name = diffusion_pipelines.PUBLISHED[0].repository
    with pytest.raises(MachineError, match=f"hf download {name}"):
        load_pipeline(DiffusionConfig(name), CPU)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"model": ""}, "--repairing.diffusion.model"),
        ({"kind": "controlnet-tile"}, "--repairing.diffusion.controlnet"),
        ({"controlnet": "somebody/tile"}, "the others take none"),
        ({"strength": 0.0}, "strength of 0 "),
        ({"strength": 1.5}, "strength of 1.5 "),
        ({"strength": 0.4}, "none of 2 steps"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(models, values, said):
    with pytest.raises(InputError, match=said):
        load_pipeline(replace(config_of(models), **values), CPU)


@pytest.mark.parametrize("max_loss", [-100.0, 100.0])
def test_a_fit_takes_it_up_and_takes_it_back_where_a_photo_lost(small_truth: Truth, models, max_loss, caplog):
    train = small_truth.select(0, 1, 2)
    config = METHODS["recon"][1]
    rounds = replace(config.repairing, rounds=1, max_loss=max_loss, diffusion=config_of(models, "inpaint"))
    config = replace(
        config,
        initialise=replace(config.initialise, max_gaussians=300, border_spacing=8),
        fit=replace(config.fit, max_steps=8),
        repair="diffusion",
        repairing=replace(rounds, pseudo_views=replace(rounds.pseudo_views, count=2, candidates=3)),
    )
    gaussians = initialise(train.views, train.stereo, config.initialise)
    state = FitState(gaussians, make_optimisers(gaussians, config.fit.rates))
    recipe = make_recipe(config, train.views, train.stereo)
    assert isinstance(recipe.loop, RepairedFit) and isinstance(recipe.loop.repair, DiffusionRepair)
    steps = recipe.loop(train.views, train.stereo, state, recipe, rasterize_cpu, config.fit)
    assert any(["repair" in step.losses for step in steps])
    assert state.partner is not None
    assert torch.equal(state.gaussians.sh0, state.partner.gaussians.sh0) == (max_loss < 0)
    assert ("without it" in caplog.text) == (max_loss < 0)


def test_the_command_line_takes_a_model(models, tmp_path):
    photos = save_posed_scene(tmp_path / "photos")
    run = ("train", photos, *QUICK, "--output", tmp_path / "run", "--repair", "diffusion")
    few = ("--repairing.rounds", 1, "--repairing.pseudo-views.count", 1, "--repairing.diffusion.steps", 2)
    model = ("--repairing.diffusion.model", models / "base")
    assert call_recon(*run, *few, *model).code == 0
    assert "diffusion" in (tmp_path / "run" / "config.yaml").read_text()
