"""The compiled core of the CPU engine: C++ with a plain C interface, opened with ctypes.

`setup.py` builds it once per instruction set; the best one that the processor runs is opened, or the one that
the environment variable RECON_CORE_ISA names (`base`, `v3`, `v4`: levels of x86-64).
"""

import ctypes
import os
from functools import cache
from pathlib import Path

import torch  # noqa: F401  before the core is opened, so that both use one OpenMP runtime
from torch import Tensor

from recon.errors import InputError, MachineError

FOLDER = Path(__file__).parent
LEVELS = {"v4": 4, "v3": 3, "base": 1}
"""Builds, best first, and the level of x86-64 that each needs; other processors have `base` alone."""

_SUFFIXES = {torch.float32: "f32", torch.float64: "f64"}
_INT, _LONG, _DOUBLE, _ADDRESS = ctypes.c_int, ctypes.c_int64, ctypes.c_double, ctypes.c_void_p
_PHOTO = [_ADDRESS, _INT, _INT]
_SCENE = [_INT, _LONG, _INT, _INT, *[_ADDRESS] * 4]
_SIGNATURES = {
    "project": (None, [*_SCENE, *[_ADDRESS] * 3, _INT, _INT, _DOUBLE, *[_ADDRESS] * 5]),
    "project_vjp": (None, [*_SCENE, *[_ADDRESS] * 2, _INT, _INT, *[_ADDRESS] * 10]),
    "composite": (_ADDRESS, [_INT, _LONG, *[_ADDRESS] * 6, _INT, _INT, *[_ADDRESS] * 3]),
    "composite_vjp": (_INT, [_INT, *[_ADDRESS] * 15]),
    "release": (None, [_ADDRESS]),
    "ssim": (None, [_INT, _ADDRESS, _ADDRESS, _INT, _INT, _ADDRESS, _ADDRESS]),
    "ssim_vjp": (None, [_INT, _ADDRESS, _ADDRESS, _INT, _INT, *[_ADDRESS] * 3]),
    "sweep": (None, [_INT, *_PHOTO, *_PHOTO, _ADDRESS, _INT, _INT, *[_ADDRESS] * 2, _INT, _DOUBLE, _ADDRESS]),
    "aggregate": (None, [_INT, _ADDRESS, *[_INT] * 3, *[_ADDRESS] * 2, _DOUBLE, _ADDRESS]),
}


class Core:
    """One build. `call` runs a function of the C interface on tensors of one float type."""

    def __init__(self, isa: str) -> None:
        self.isa = isa
        self._library = ctypes.CDLL(str(core_path(isa)))

    def call(self, name: str, dtype: torch.dtype, *arguments: Tensor | int | float | None) -> int | None:
        """Tensors go as addresses and must be contiguous; the caller keeps them alive and knows the sizes.

        Raises MachineError if the library was built from older sources."""
        symbol = f"recon_{name}_{_SUFFIXES[dtype]}"
        function = getattr(self._library, symbol, None)
        if function is None:
            raise MachineError(
                f"The compiled core {self.isa} is older than the package: it has no {symbol}; install "
                "recon again, in a checkout by `pip install -e .`."
            )
        function.restype, function.argtypes = _SIGNATURES[name]
        return function(*(a.data_ptr() if isinstance(a, Tensor) else a for a in arguments))


def load_core() -> Core:
    """The build for this processor, opened once.

    Raises MachineError if none was compiled or RECON_CORE_ISA asks for one that is missing or cannot run,
    InputError if it asks for one that does not exist."""
    return open_core(os.environ.get("RECON_CORE_ISA", ""))


@cache
def open_core(isa: str) -> Core:
    """The build `isa`, or the best one if it is empty."""
    if isa and isa not in LEVELS:
        raise InputError(f"RECON_CORE_ISA={isa} is unknown; choose one of {', '.join(LEVELS)}.")
    available = runnable_builds()
    if not available:
        raise MachineError(
            "The compiled core of the CPU engine is missing: install recon again where there is a C++ "
            "compiler (g++ 11 or newer), or from its wheel, or ask for the slow `--engine reference`."
        )
    if isa and isa not in available:
        raise MachineError(
            f"RECON_CORE_ISA={isa}, but this processor and installation run {', '.join(available)} alone."
        )
    return Core(isa or available[0])


def runnable_builds() -> list[str]:
    """The builds that are installed and that this processor runs, best first."""
    if not core_path("base").exists():
        return []
    level = ctypes.CDLL(str(core_path("base"))).recon_isa_level()
    return [isa for isa, needed in LEVELS.items() if needed <= level and core_path(isa).exists()]


def core_path(isa: str) -> Path:
    """Where the shared library of a build lies."""
    return FOLDER / f"core_{isa}.so"
