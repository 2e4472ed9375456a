"""Networks that come with packages of their own: our loading and calling code, on stand-ins.

They have the calls, the shapes and the checkpoint formats of moge 2.0.0 and depth-anything-3 0.1.1, with
whose own code the adapters were tried.
"""

import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from commands import QUICK, assert_refused, call_recon, save_posed_scene
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from recon.errors import InputError, MachineError
from recon.methods.priors import depth_anything_3, moge
from recon.methods.priors.single_view import NETWORKS

CPU = torch.device("cpu")
NAMES = ("moge", "depth-anything-3")
DEFAULT = {"moge": moge.SMALL, "depth-anything-3": depth_anything_3.MONO}


class StandInMoGe(nn.Module):
    """`infer` gives maps at the size of the photo, infinite where a mask says that there is only sky."""

    def __init__(self, encoder: dict, neck: dict, num_tokens_range: list[int]) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 1, 1)
        self.register_buffer("image_mean", torch.full((1, 3, 1, 1), 0.45))

    def infer(self, image: Tensor, use_fp16: bool = True) -> dict[str, Tensor]:
        assert image.dim() == 3 and image.shape[0] == 3 and not use_fp16
        depth = self.head(image[None] - self.image_mean)[0, 0].exp()
        mask = torch.ones_like(depth, dtype=torch.bool)
        mask[0] = False
        return {"depth": torch.where(mask, depth, torch.inf), "mask": mask}


class StandInDepthAnything3(nn.Module, PyTorchModelHubMixin):
    """`inference` takes pictures of bytes and gives arrays (n, h, w), 504 long and multiples of 14."""

    def __init__(self, model_name: str = "da3mono-large", **kwargs: object) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 1, 1)

    def inference(self, image: list[np.ndarray]) -> SimpleNamespace:
        print("[INFO ] Processed Images Done")
        (photo,) = image
        assert photo.dtype == np.uint8 and photo.shape[2] == 3
        longer = max(photo.shape[:2])
        height, width = (round(side * 504 / longer / 14) * 14 for side in photo.shape[:2])
        batch = torch.from_numpy(photo).permute(2, 0, 1)[None] / 255
        batch = F.interpolate(batch, (height, width), mode="bilinear", align_corners=False)
        with torch.no_grad():
            depth = self.head(batch)[:, 0].exp().numpy()
        sky = np.zeros(depth.shape, dtype=bool)
        sky[:, : height // 2] = True
        return SimpleNamespace(depth=depth, sky=sky, is_metric=0, conf=None)


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-ins can be imported, the cache is empty, and there is no way out."""
    theirs = {
        "moge": {},
        "moge.model": {"import_model_class_by_version": {"v2": StandInMoGe}.__getitem__},
        "depth_anything_3": {},
        "depth_anything_3.api": {"DepthAnything3": StandInDepthAnything3},
    }
    for name, content in theirs.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))


def save(name: str, folder: Path, lack: str = "") -> Path:
    """A checkpoint as the hub has it, perhaps without one tensor."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    if name == "moge":
        config = {"encoder": {}, "neck": {}, "num_tokens_range": [16, 32]}
        tensors = StandInMoGe(**config).state_dict()
        tensors.pop(lack, None)
        torch.save({"model_config": config, "model": tensors}, folder / "model.pt")
    else:
        from safetensors.torch import load_file, save_file

        StandInDepthAnything3(model_name="da3mono-large").save_pretrained(folder)
        tensors = load_file(folder / "model.safetensors")
        tensors.pop(lack, None)
        save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(60, 84), (33, 31)])
def test_a_checkpoint_reads_photos_of_any_size_and_knows_no_sky(tmp_path, capsys, name, size):
    network = NETWORKS[name](str(save(name, tmp_path / "weights")), CPU)
    values = network(torch.rand(*size, 3, generator=torch.Generator().manual_seed(0)))
    assert values.shape == size and values.dtype == torch.float32 and not values.requires_grad
    assert values[0].isinf().all() and values[-1].isfinite().all()
    assert capsys.readouterr().out == "", "what is printed may be JSON"


@pytest.mark.parametrize("name", NAMES)
def test_what_it_says_lies_where_the_photo_shows_it(tmp_path, name):
    network = NETWORKS[name](str(save(name, tmp_path / "weights")), CPU)
    photo = torch.zeros(40, 56, 3)
    photo[:, 28:] = 1
    values = network(photo)[-1]
    step = (values[1:] - values[:-1]).abs()
    assert step.argmax() == 27 and values[:24].std() < 1e-3 * step.max()


def test_a_buffer_that_moge_can_make_itself_may_be_missing(tmp_path):
    moge.load_moge(str(save("moge", tmp_path / "weights", lack="image_mean")), CPU)


def cut_off(folder: Path) -> None:
    file = next(path for path in folder.iterdir() if path.suffix in (".pt", ".safetensors"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def of_another_network(folder: Path) -> None:
    from safetensors.torch import save_file

    torch.save({"state_dict": {}}, folder / "model.pt")
    save_file({"conv.weight": torch.zeros(3)}, folder / "model.safetensors")


def running_code(folder: Path) -> None:
    """A pickle that would call something."""
    empty(folder)
    torch.save({"model_config": print, "model": {}}, folder / "model.pt")


FAULTS: tuple[Callable[[Path], None], ...] = (cut_off, empty, of_another_network, running_code)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_checkpoint_is_refused_in_a_sentence(tmp_path, name, fault):
    folder = save(name, tmp_path / "weights")
    fault(folder)
    with pytest.raises(InputError, match="fetch it again") as refused:
        NETWORKS[name](str(folder), CPU)
    assert str(folder) in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_that_lacks_a_weight_is_refused_by_its_name(tmp_path, name):
    folder = save(name, tmp_path / "weights", lack="head.bias")
    with pytest.raises(InputError, match=r"head\.bias"):
        NETWORKS[name](str(folder), CPU)


@pytest.mark.parametrize("name", NAMES)
def test_without_its_package_a_network_is_refused_with_the_way_to_get_it(tmp_path, monkeypatch, name):
    photos = save_posed_scene(tmp_path / "photos")
    monkeypatch.setitem(sys.modules, name.replace("-", "_"), None)
    monkeypatch.delitem(sys.modules, {"moge": "moge.model"}.get(name, "depth_anything_3.api"))
    run = ("train", photos, *QUICK, "--output", tmp_path / "run", "--depth", name)
    assert_refused(call_recon(*run), 3, "is missing", "install https://github.com/")


@pytest.mark.parametrize("name", NAMES)
def test_offline_a_network_that_is_not_in_the_cache_is_named_with_the_way_to_get_it(caplog, name):
    with (
        caplog.at_level(logging.INFO, logger="recon"),
        pytest.raises(MachineError, match=f"hf download {DEFAULT[name]}"),
    ):
        NETWORKS[name]("", CPU)
    assert f"Fetching {DEFAULT[name]} (" in caplog.text and " MB), once." in caplog.text


@pytest.mark.parametrize(("name", "licence"), [("moge", "MIT"), ("depth-anything-3", "Apache-2.0")])
def test_a_network_in_the_cache_is_taken_from_there_and_its_licence_said_once(
    tmp_path, caplog, name, licence
):
    repository = tmp_path / "cache" / f"models--{DEFAULT[name].replace('/', '--')}"
    shutil.copytree(save(name, tmp_path / "weights"), repository / "snapshots" / ("0" * 40))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    with caplog.at_level(logging.INFO, logger="recon"):
        NETWORKS[name]("", CPU)
        NETWORKS[name]("", CPU)
    assert caplog.text.count(f"is under {licence}") == 1 and "Fetching" not in caplog.text


@pytest.mark.parametrize(
    "published", [*moge.PUBLISHED, *depth_anything_3.PUBLISHED], ids=lambda p: p.repository
)
def test_what_is_fetched_unasked_may_be_used_by_anybody(published):
    assert published.megabytes > 50
    assert "NC" not in published.licence or published.repository not in DEFAULT.values()
