"""3D Gaussian scenes from three to nine photos.

The functions are those of `recon.api`, which is loaded, and torch with it, when the first of them is used.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recon.api import Reconstruction, export, fit, load, render, show, solve_cameras
    from recon.errors import InputError, MachineError
    from recon.progress import Terminal

__all__ = [
    "InputError",
    "MachineError",
    "Reconstruction",
    "Terminal",
    "export",
    "fit",
    "load",
    "render",
    "show",
    "solve_cameras",
]

# Must be said before torch loads OpenMP. By default a thread that waits for the other keeps its core busy;
# where something else wants that core, the many small operations of the stereo then take ten times as long.
# A short wait costs nothing on idle cores.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

_ELSEWHERE = {"InputError": "recon.errors", "MachineError": "recon.errors", "Terminal": "recon.progress"}
"""Where the public names are defined that are not in recon.api."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_ELSEWHERE.get(name, "recon.api")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
