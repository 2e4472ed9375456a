"""Nothing that is read runs code: weights are the known ones, and a pickle is refused under every name."""

import ast
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_readers import READERS

from recon import weights
from recon.digests import tensor_digest
from recon.errors import InputError, ReconError
from recon.weights import Backbone, check_backbone

PACKAGE = Path(weights.__file__).parent


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable, tuple]:
        return os.mkdir, (str(self.canary),)


def test_the_trap_works(tmp_path: Path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()


def save_array(path: Path, trap: Trap) -> None:
    with path.open("wb") as file:
        np.save(file, np.array([trap], dtype=object), allow_pickle=True)


SPELLINGS: dict[str, Callable[[Path, Trap], object]] = {
    "a pickle": lambda path, trap: path.write_bytes(pickle.dumps(trap)),
    "torch's": lambda path, trap: torch.save({"a": trap}, path),
    "NumPy's": save_array,
    "YAML's": lambda path, trap: path.write_text(f"!!python/object/apply:os.mkdir ['{trap.canary}']"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("name", READERS)
def test_a_pickle_is_refused_under_every_name(tmp_path: Path, name: str, spelling: str):
    (tmp_path / "data").mkdir()
    path = READERS[name].make(tmp_path / "data")
    SPELLINGS[spelling](path, Trap(tmp_path / "canary"))
    with pytest.raises(ReconError):
        READERS[name].read(path)
    assert not (tmp_path / "canary").exists()


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small file of weights in torch's cache, known by its numbers alone."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    tensors = {"a": torch.arange(1000.0), "b": torch.ones(3)}
    monkeypatch.setitem(weights.BACKBONES, "vgg", Backbone("vgg-12345678.pth", tensor_digest(tensors), 1))
    path = tmp_path / "hub" / "checkpoints" / "vgg-12345678.pth"
    path.parent.mkdir(parents=True)
    torch.save(tensors, path)
    return path


def test_known_weights_are_taken_and_missing_ones_are_announced(cached: Path, caplog):
    with caplog.at_level("INFO"):
        check_backbone("vgg")
        assert caplog.text == ""
        cached.unlink()
        check_backbone("vgg")
    assert "Fetching vgg-12345678.pth (1 MB)" in caplog.text


def test_a_published_file_is_known_by_its_name(cached: Path, monkeypatch: pytest.MonkeyPatch):
    import hashlib

    digest = hashlib.sha256(cached.read_bytes()).hexdigest()[:8]
    monkeypatch.setitem(weights.BACKBONES, "vgg", Backbone(f"vgg-{digest}.pth", "another", 1))
    cached.rename(cached.with_name(f"vgg-{digest}.pth"))
    check_backbone("vgg")


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_single_byte_of_other_weights_is_refused(cached: Path, place: float):
    content = bytearray(cached.read_bytes())
    at = content.index(torch.arange(1000.0).numpy().tobytes()) + int(place * 4000)
    content[at] ^= 1
    cached.write_bytes(content)
    with pytest.raises(InputError, match="vgg-12345678.pth is not the published file; delete it"):
        check_backbone("vgg")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_weights_that_would_run_code_are_refused_before_they_can(cached: Path, tmp_path: Path, spelling: str):
    SPELLINGS[spelling](cached, Trap(tmp_path / "canary"))
    with pytest.raises(InputError, match="is not the published file"):
        check_backbone("vgg")
    assert not (tmp_path / "canary").exists()


def unsafe_loads(source: str) -> list[str]:
    """Calls that unpickle, or may, and YAML's that make objects."""
    found = []
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name, options = ast.unparse(call.func), {k.arg: ast.unparse(k.value) for k in call.keywords}
        safe = (
            (name == "torch.load" and options.get("weights_only") == "True")
            or (name in ("np.load", "numpy.load") and options.get("allow_pickle", "False") == "False")
            or (name == "yaml.load" and options.get("Loader") == "LOADER")
        )
        modules = ("torch.load", "np.load", "numpy.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load")
        if name.startswith(("pickle.", "joblib.", "dill.", "shelve.")) or (name in modules and not safe):
            found.append(name)
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_no_file_of_the_package_unpickles(path: Path):
    assert unsafe_loads(path.read_text()) == []


def test_the_check_sees_what_it_looks_for():
    for call in ("torch.load(a)", "torch.load(a, weights_only=False)", "pickle.loads(a)", "yaml.load(a)"):
        assert unsafe_loads(call)
    assert not unsafe_loads("torch.load(a, weights_only=True); np.load(a); json.load(a)")
