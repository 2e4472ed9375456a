"""Pipelines of diffusers: found as other networks are, read from safetensors whole, and run from no code of
their own.

Fixers of a single step with a reference image (Difix) are pipelines that bring their code; they are refused.
"""

import contextlib
import importlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import torch
from PIL import Image

from recon.errors import InputError, MachineError
from recon.methods.priors.checkpoints import whole_checkpoint
from recon.methods.priors.hub import Published, missing_package, network_folder, quiet_transformers

LICENCE = "CreativeML OpenRAIL-M, which forbids some uses"
PUBLISHED = (
    Published("stable-diffusion-v1-5/stable-diffusion-v1-5", LICENCE, 4265),
    Published("stable-diffusion-v1-5/stable-diffusion-inpainting", LICENCE, 4265),
    Published("h94/IP-Adapter", "Apache-2.0", 2573),
)
"""Megabytes: 4 bytes for each of 859.5 (UNet), 123.1 (text) and 83.7 (autoencoder) million parameters;
2528 of 632.1 million for images, and 44.6 of the IP-Adapter that reads them."""
LIBRARIES = ("diffusers", "transformers")
"""Where the parts of a pipeline may come from."""
LEFT_OUT = ("safety_checker", "feature_extractor", "image_encoder")
"""Parts that look at pictures of people or of a reference: neither fetched nor read."""
FILES = (
    "model_index.json",
    *(f"{part}/*.{kind}" for part in ("scheduler", "tokenizer*") for kind in ("json", "txt", "model")),
    *(
        f"{part}/{file}"
        for part in ("unet", "transformer", "vae", "text_encoder*")
        for file in (
            "*.json",
            "model.safetensors",
            "diffusion_pytorch_model.safetensors",
            "*-of-*.safetensors",
        )
    ),
)
"""Of a pipeline on the hub, which often holds the same weights in several files."""
CONTROLNET_FILES = ("config.json", "diffusion_pytorch_model.safetensors")
IMAGE_ENCODER = "image_encoder"
"""Folder of the network of images, beside the files of an IP-Adapter."""
VOCABULARIES = ("tokenizer.json", "vocab.json", "spiece.model")
"""Without one of these, transformers makes a tokenizer that knows no word."""


@dataclass(frozen=True)
class DiffusionConfig:
    """A diffusion model of the user's, for the pixels that no photo sees."""

    model: str = ""
    """A folder in the format of diffusers, or OWNER/NAME on the Hugging Face hub, which @REVISION may follow.
    None is chosen for you: those that are usual forbid some uses."""
    kind: Literal["img2img", "inpaint", "controlnet-tile"] = "inpaint"
    """How it is asked: for the whole picture anew, for the unseen pixels, or for the whole picture under the
    guidance of a ControlNet. Of all three, only unseen pixels are taken."""
    controlnet: str = ""
    """The network of controlnet-tile, named as the model is."""
    lora: str = ""
    """A LoRA for the model, named as the model is."""
    ip_adapter: str = ""
    """An IP-Adapter for the model, named as the model is: it shows the model the nearest photo."""
    ip_adapter_file: str = "models/ip-adapter_sd15.safetensors"
    """Which of its files; the network of images that it wants lies in image_encoder/, in the same folder."""
    ip_adapter_scale: float = 1.0
    """How much that photo counts; with 0 not at all."""
    strength: float = 0.8
    """In (0, 1]: share of the noise that is put over the picture; with 1 nothing of it is left."""
    steps: int = 20
    """Of a whole denoising, of which `strength` is the share that is taken."""
    prompt: str = ""
    guidance: float = 1.0
    """Classifier-free guidance; up to 1, none. It doubles the cost, and an empty prompt gains nothing."""
    max_size: int = 768
    """Longer side of the pictures that the model works on."""
    confidence: float = 0.1
    """What its pixels count beside 1 for those that two photos explain."""


def load_pipeline(config: DiffusionConfig, device: torch.device) -> Any:
    """The pipeline, in half precision on an accelerator; read once a process.

    Raises InputError for settings that do not go together and for weights that are damaged, pickled or of
    another kind, MachineError if they cannot be fetched or a package is missing."""
    check(config)
    adapter = (config.ip_adapter, config.ip_adapter_file) if config.ip_adapter else None
    pipeline = _load(config.model, config.kind, config.controlnet, config.lora, adapter, device)
    if adapter:
        pipeline.set_ip_adapter_scale(config.ip_adapter_scale)
    return pipeline


def check(config: DiffusionConfig) -> None:
    """Raises InputError for settings that say nothing or contradict each other."""
    if not config.model:
        raise InputError(
            "Diffusion has no model of its own; name one by --repairing.diffusion.model, a folder "
            "in diffusers' format or OWNER/NAME on the Hugging Face hub."
        )
    if (config.kind == "controlnet-tile") != bool(config.controlnet):
        raise InputError(
            f"The kind {config.kind} does not go with the ControlNet {config.controlnet!r}; controlnet-tile "
            "needs --repairing.diffusion.controlnet, the others take none."
        )
    if not 0 < config.strength <= 1 or int(config.steps * config.strength) < 1:
        raise InputError(
            f"A strength of {config.strength:g} leaves none of {config.steps} steps; take one in (0, 1], and "
            "more steps."
        )


@lru_cache(maxsize=1)
def _load(
    model: str, kind: str, controlnet: str, lora: str, adapter: tuple[str, str] | None, device: torch.device
) -> Any:
    """The pipeline of these names, an adapter's with its file; once they are settled, no setting of a picture
    matters to it."""
    # All of them before anything large is fetched.
    for name in ("diffusers", "transformers", *(["peft"] if lora else [])):
        package(name)
    folder = network_folder(model, PUBLISHED, FILES)
    guide = network_folder(controlnet, PUBLISHED, CONTROLNET_FILES) if controlnet else None
    changes = network_folder(lora, PUBLISHED) if lora else None
    reference = network_folder(adapter[0], PUBLISHED, adapter_files(adapter[1])) if adapter else None
    try:
        with quiet_diffusers():
            pipeline = _read(folder, kind, guide)
            if changes is not None:
                add_lora(pipeline, changes)
            if adapter and reference:
                add_adapter(pipeline, reference, adapter[1])
            pipeline.set_progress_bar_config(disable=True)
            pipeline.to(device, torch.float32 if device.type == "cpu" else torch.float16)
    except ImportError as error:
        raise missing_package(f"The model in {folder}", "install it", error) from error
    return pipeline


def _read(folder: Path, kind: str, guide: Path | None) -> Any:
    """The pipeline of a folder for a kind of repair, with the ControlNet in `guide`."""
    diffusers = package("diffusers")
    with whole_checkpoint(folder, "a diffusion pipeline"):
        parts = read_networks(folder)
        if guide is not None:
            parts["controlnet"] = read_whole(diffusers.ControlNetModel, guide)
        auto = (
            diffusers.AutoPipelineForInpainting if kind == "inpaint" else diffusers.AutoPipelineForImage2Image
        )
        return auto.from_pretrained(folder, local_files_only=True, use_safetensors=True, **parts)


def read_networks(folder: Path) -> dict[str, Any]:
    """The networks among the parts of a pipeline, every weight from its file; None for those left out."""
    if code := sorted(folder.rglob("*.py")):
        raise InputError(
            f"{folder} brings code of its own ({code[0].name}), which recon does not run; take a pipeline of "
            "diffusers' own parts."
        )
    index = json.loads((folder / "model_index.json").read_text())
    networks = {}
    for name, home in index.items():
        if not isinstance(home, list) or name.startswith("_"):
            continue
        if name in LEFT_OUT:
            networks[name] = None
            continue
        library, kind = home
        if library is None:
            continue
        theirs = getattr(package(library), kind, None) if library in LIBRARIES else None
        if not isinstance(theirs, type):
            raise InputError(
                f"{folder} wants {kind} of {library} as its {name}, which diffusers and transformers do not "
                "have here; take a pipeline of their own parts."
            )
        if name.startswith("tokenizer"):
            if not any((folder / name / file).is_file() for file in VOCABULARIES):
                raise InputError(f"{folder / name} lacks its vocabulary; fetch it again.")
        elif issubclass(theirs, torch.nn.Module):
            networks[name] = read_whole(theirs, folder / name)
    return networks


def read_whole(theirs: Any, folder: Path) -> Any:
    """A network of one of the libraries, every weight from its file."""
    with whole_checkpoint(folder, theirs.__name__):
        network, loading = theirs.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    # Both libraries fill what is missing with random numbers.
    missing = sorted(map(str, [*loading["missing_keys"], *loading["mismatched_keys"]]))
    if missing:
        raise InputError(f"{folder} lacks {len(missing)} weights, {missing[0]} first; fetch it again.")
    return network


def add_lora(pipeline: Any, folder: Path) -> None:
    """Puts a LoRA over the networks of the pipeline."""
    with whole_checkpoint(folder, "a LoRA"):
        pipeline.load_lora_weights(folder, local_files_only=True, use_safetensors=True)
    if not pipeline.get_active_adapters():
        raise InputError(f"{folder} holds no LoRA for this model; take one that was made for it.")


def adapter_files(file: str) -> tuple[str, ...]:
    """What is read of an IP-Adapter's repository for one of its files."""
    encoder = PurePosixPath(file).parent / IMAGE_ENCODER
    return (file, f"{encoder}/config.json", f"{encoder}/model.safetensors")


def add_adapter(pipeline: Any, folder: Path, file: str) -> None:
    """Puts an IP-Adapter over the pipeline, which then asks for a picture to keep to."""
    path = folder / file
    if path.suffix != ".safetensors":
        raise InputError(
            f"{path} is no file of safetensors; name one by --repairing.diffusion.ip-adapter-file."
        )
    if not isinstance(pipeline, package("diffusers").loaders.IPAdapterMixin):
        raise InputError(f"{type(pipeline).__name__} takes no IP-Adapter; leave {folder} out.")
    # By themselves, diffusers and transformers would also take an encoder that is pickled or not whole.
    encoder = read_whole(package("transformers").CLIPVisionModelWithProjection, path.parent / IMAGE_ENCODER)
    pipeline.register_modules(image_encoder=encoder)
    with whole_checkpoint(path, "an IP-Adapter for this model"):
        pipeline.load_ip_adapter(
            folder,
            subfolder=str(PurePosixPath(file).parent),
            weight_name=path.name,
            image_encoder_folder=None,
            local_files_only=True,
        )
        # One made for another encoder would only be found out by the first picture.
        blank = pipeline.prepare_ip_adapter_image_embeds(
            Image.new("RGB", (8, 8)), None, pipeline.device, 1, False
        )
        pipeline.unet.encoder_hid_proj(blank)


def package(name: str) -> Any:
    """A package of the extra that diffusion needs; raises MachineError without it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MachineError(f"A diffusion model needs {name}; run `pip install 'recon[priors]'`.") from error


@contextlib.contextmanager
def quiet_diffusers() -> Iterator[None]:
    """Without the bars and reports of diffusers and transformers: refusals are said by recon."""
    theirs = package("diffusers.utils.logging")
    bars, level = theirs.is_progress_bar_enabled(), theirs.get_verbosity()
    theirs.disable_progress_bar()
    theirs.set_verbosity(theirs.CRITICAL)
    try:
        with quiet_transformers(), warnings.catch_warnings():
            # They speak to whoever made the files.
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        theirs.set_verbosity(level)
        if bars:
            theirs.enable_progress_bar()
