"""Finding and choosing the compiled core."""

from pathlib import Path

import pytest
import torch

from recon.errors import InputError, MachineError
from recon.rendering import core, pick_engine
from recon.rendering.core import load_core, open_core, runnable_builds


def test_the_best_build_is_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RECON_CORE_ISA", raising=False)
    assert load_core().isa == runnable_builds()[0]


def test_the_environment_chooses_a_build(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RECON_CORE_ISA", "base")
    assert load_core().isa == "base"


def test_an_unknown_build_is_refused_with_the_names_of_the_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RECON_CORE_ISA", "v5")
    with pytest.raises(InputError, match="RECON_CORE_ISA=v5 is unknown; choose one of v4, v3, base."):
        load_core()


def test_a_core_of_older_sources_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(core._SIGNATURES, "future", (None, []))
    with pytest.raises(MachineError, match=r"has no recon_future_f32; install recon again, "):
        load_core().call("future", torch.float32)


@pytest.fixture
def no_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An installation without a compiler."""
    monkeypatch.setattr(core, "FOLDER", tmp_path)
    open_core.cache_clear()
    yield
    open_core.cache_clear()


@pytest.mark.usefixtures("no_core")
def test_a_missing_core_is_named_with_its_remedy_and_never_replaced_in_silence():
    with pytest.raises(MachineError) as raised:
        pick_engine("auto", torch.device("cpu"))
    assert str(raised.value) == (
        "The compiled core of the CPU engine is missing: install recon again where there is a C++ "
        "compiler (g++ 11 or newer), or from its wheel, or ask for the slow `--engine reference`."
    )
    assert pick_engine("reference", torch.device("cpu"))


@pytest.mark.usefixtures("no_core")
def test_a_missing_build_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    built = Path(core.__file__).parent / "core_base.so"
    (tmp_path / "core_base.so").symlink_to(built)
    monkeypatch.setenv("RECON_CORE_ISA", "v4")
    with pytest.raises(MachineError, match="RECON_CORE_ISA=v4, but .* base alone"):
        load_core()
