"""Builds the C++ core of the CPU engine beside the package; everything else is in pyproject.toml.

The core is a plain shared library, once per instruction set, opened with ctypes at run time. Without a C++
compiler the installation succeeds all the same, and says what is missing.

A wheel is for one platform, but for every Python: the core knows nothing of Python.
"""

import copy
import platform
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

CORE = Path("recon/rendering/core")
COMPILE = [
    "-std=c++17",
    "-O3",
    "-fopenmp",
    "-fvisibility=hidden",
    # Both only forbid reordering that errno and floating-point traps could see; nobody looks at either.
    "-fno-math-errno",
    "-fno-trapping-math",
    "-Wno-psabi",
]
# Never -march=native: a wheel is built on one machine and run on another.
BUILDS = {"base": []}
if platform.machine().lower() in ("x86_64", "amd64"):
    BUILDS |= {"v3": ["-march=x86-64-v3"], "v4": ["-march=x86-64-v4"]}


class BuildCore(build_ext):
    """Compiles plain libraries: no Python version in the name, no module to import."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or True  # one compiler process a core
        self.failures: list[Exception] = []

    def run(self) -> None:
        super().run()
        if self.failures:
            print(
                f"recon: the CPU engine was not compiled ({self.failures[0]}): install a C++ compiler with "
                "OpenMP (g++ 11 or newer) and recon again, or use a CUDA GPU.",
                file=sys.stderr,
            )

    def get_ext_filename(self, fullname: str) -> str:
        return f"{fullname.replace('.', '/')}.so"

    def build_extension(self, ext: Extension) -> None:
        own = copy.copy(self)
        # Builds run side by side and their object files have the same names.
        own.build_temp = f"{self.build_temp}/{ext.name}"
        try:
            build_ext.build_extension(own, ext)
        except (BaseError, CCompilerError, OSError) as error:
            self.failures.append(error)


class BuildWheel(bdist_wheel):
    """Names the platform alone: one wheel serves every Python that pyproject.toml allows."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


def extension(isa: str, flags: list[str]) -> Extension:
    return Extension(
        f"recon.rendering.core.core_{isa}",
        sources=sorted(str(path) for path in CORE.glob("*.cpp")),
        depends=sorted(str(path) for path in CORE.glob("*.h")),
        extra_compile_args=[*COMPILE, *flags],
        extra_link_args=["-fopenmp"],
        language="c++",
        optional=True,
    )


setup(
    ext_modules=[extension(isa, flags) for isa, flags in BUILDS.items()],
    cmdclass={"build_ext": BuildCore, "bdist_wheel": BuildWheel},
)
