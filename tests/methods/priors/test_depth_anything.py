"""Depth of single photos by a network: the real loading and inference code, on a tiny random checkpoint."""

import json
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commands import QUICK, assert_refused, call_recon, save_posed_scene

from recon.digests import file_digest
from recon.errors import InputError, MachineError
from recon.methods.priors import hub
from recon.methods.priors.depth_anything import PUBLISHED, SMALL, load_depth_anything
from recon.methods.priors.single_view import DepthConfig, with_single_views

transformers = pytest.importorskip("transformers", reason="transformers is not installed: the extra priors")
CPU = torch.device("cpu")


def save_tiny(folder: Path, **options: object) -> Path:
    """A Depth Anything of a few thousand parameters, as the hub has them."""
    backbone = transformers.Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=70,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        head_hidden_size=8,
        **options,
    )
    torch.manual_seed(0)
    with hub.quiet_transformers():
        transformers.DepthAnythingForDepthEstimation(config).save_pretrained(folder)
        transformers.DPTImageProcessor(
            size={"height": 70, "width": 70}, keep_aspect_ratio=True, ensure_multiple_of=14
        ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("hub") / "tiny")


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, and no way out."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))


def test_a_checkpoint_reads_photos_of_any_size(tiny):
    network = load_depth_anything(str(tiny), CPU)
    assert network.kind == "disparity"
    for size in ((60, 84), (33, 31)):
        values = network(torch.rand(*size, 3, generator=torch.Generator().manual_seed(0)))
        assert values.shape == size and values.isfinite().all() and not values.requires_grad


def test_what_it_says_is_what_transformers_pipeline_says(tiny):
    from PIL import Image

    pixels = (torch.rand(56, 70, 3, generator=torch.Generator().manual_seed(1)) * 255).byte()
    with hub.quiet_transformers():
        pipeline = transformers.pipeline("depth-estimation", model=str(tiny), device=CPU)
        expected = pipeline(Image.fromarray(pixels.numpy()))["predicted_depth"]
    values = load_depth_anything(str(tiny), CPU)(pixels / 255)
    assert torch.allclose(values, expected, atol=1e-3 * float(expected.abs().max()))


def test_a_metric_checkpoint_says_depth(tmp_path):
    folder = save_tiny(tmp_path / "metric", depth_estimation_type="metric", max_depth=20)
    assert load_depth_anything(str(folder), CPU).kind == "depth"


def without_a_weight(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights.pop("head.conv1.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def of_another_kind(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "dpt"}))


FAULTS: dict[str, Callable[[Path], object]] = {
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "no configuration": lambda folder: (folder / "config.json").unlink(),
    "no processor": lambda folder: (folder / "preprocessor_config.json").unlink(),
    "cut off": lambda folder: (folder / "model.safetensors").write_bytes(
        (folder / "model.safetensors").read_bytes()[:5000]
    ),
    "lacks 1 weights": without_a_weight,
    "type dpt": of_another_kind,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_checkpoint_is_refused_in_a_sentence(tiny, tmp_path, fault):
    folder = tmp_path / "bad"
    shutil.copytree(tiny, folder)
    FAULTS[fault](folder)
    said = fault if fault in ("lacks 1 weights", "type dpt") else "no whole checkpoint"
    with pytest.raises(InputError, match=said) as refused:
        load_depth_anything(str(folder), CPU)
    assert str(folder) in str(refused.value)
    assert "\n" not in str(refused.value) and str(refused.value).endswith(".")


def test_offline_a_network_that_is_not_in_the_cache_is_named_with_the_way_to_get_it(caplog):
    with caplog.at_level(logging.INFO), pytest.raises(MachineError, match=f"hf download {SMALL}"):
        load_depth_anything("", CPU)
    assert f"Fetching {SMALL} (99 MB), once." in caplog.text, "the size is said before"
    for name in ("somebody", "../other/model", "a b/c?d"):
        with pytest.raises(InputError):
            load_depth_anything(name, CPU)


def test_a_network_in_the_cache_is_taken_from_there_and_its_licence_said_once(tiny, tmp_path, caplog):
    fill_cache(tmp_path / "cache", tiny)
    with caplog.at_level(logging.INFO):
        load_depth_anything("", CPU)
        load_depth_anything("", CPU)
    assert caplog.text.count("Apache-2.0") == 1 and "Fetching" not in caplog.text


def fill_cache(cache: Path, network: Path, revision: str = PUBLISHED[0].revision) -> Path:
    """SMALL in the hub's cache as the hub would lay it: a link to a file named by its SHA-256. The file."""
    repository = cache / f"models--{SMALL.replace('/', '--')}"
    snapshot = repository / "snapshots" / revision
    shutil.copytree(network, snapshot)
    weights = snapshot / "model.safetensors"
    blob = repository / "blobs" / file_digest(weights)
    blob.parent.mkdir(exist_ok=True)
    weights.replace(blob)
    weights.symlink_to(blob)
    return blob


def test_another_state_of_the_repository_is_taken_only_if_it_is_asked_for(tiny, tmp_path):
    fill_cache(tmp_path / "cache", tiny, revision="1" * 40)
    (refs := tmp_path / "cache" / f"models--{SMALL.replace('/', '--')}" / "refs").mkdir()
    (refs / "main").write_text("1" * 40)
    with pytest.raises(MachineError, match=f"hf download {SMALL} --revision {PUBLISHED[0].revision}"):
        load_depth_anything("", CPU)
    load_depth_anything(f"{SMALL}@{'1' * 40}", CPU)


def test_a_byte_of_cached_weights_that_is_not_the_hubs_is_seen(tiny, tmp_path):
    blob = fill_cache(tmp_path / "cache", tiny)
    content = bytearray(blob.read_bytes())
    content[-9] ^= 1
    blob.write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors is not what the hub gave; delete .*blobs"):
        load_depth_anything("", CPU)


def test_what_is_fetched_unasked_is_one_commit_of_the_hub():
    assert re.fullmatch("[0-9a-f]{40}", PUBLISHED[0].revision) and PUBLISHED[0].repository == SMALL


def test_weights_that_may_not_be_sold_say_so():
    licences = {p.repository: p.licence for p in PUBLISHED}
    assert licences[SMALL] == "Apache-2.0"
    assert all("NC" in licence for name, licence in licences.items() if "-Base-" in name or "-Large-" in name)


def test_a_photo_that_the_network_does_not_understand_is_left_as_it_was(truth, tiny, caplog):
    config = DepthConfig("depth-anything", str(tiny))
    filled = with_single_views(truth.stereo, truth.views, config)
    for before, after in zip(truth.stereo.depths, filled.depths, strict=True):
        assert torch.equal(before, after)
    assert filled.monocular == (None, None, None)
    assert caplog.text.count("does not fit the cameras") == 3


def test_the_command_line_takes_a_network(tiny, tmp_path):
    photos = save_posed_scene(tmp_path / "photos")
    run = ("train", photos, *QUICK, "--output", tmp_path / "run", "--depth", "depth-anything")
    assert call_recon(*run, "--depth.weights", tiny).code == 0
    assert "depth-anything" in (tmp_path / "run" / "config.yaml").read_text()
    assert "Depth of single photos" in (tmp_path / "run" / "report.html").read_text()
    assert_refused(call_recon(*run, "--overwrite"), 3, "could not be fetched", "hf download")
