"""Builds the extension ``fastapi_user_auth_c._core`` from ``csrc``.

Switches for development, read from the environment:

* ``FUA_SANITIZE=1``: AddressSanitizer and UndefinedBehaviorSanitizer;
* ``FUA_COVERAGE=1``: gcov instrumentation;
* ``FUA_WERROR=1``: the project's warnings, as errors (what CI builds with).
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CSRC = Path("csrc")
WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wshadow",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Wvla",
    "-Wpointer-arith",
]


def switch(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


class BuildExt(build_ext):
    """Says what is missing before the compiler does, in words for people who only wanted ``pip install``."""

    def build_extensions(self) -> None:
        header = Path(sysconfig.get_path("include")) / "Python.h"
        if not any((Path(path) / "Python.h").exists() for path in [*self.include_dirs, str(header.parent)]):
            sys.exit(
                f"fastapi-user-auth-c: the Python headers are missing ({header}). "
                "Install them first, e.g. 'apt-get install python3-dev' on Debian and Ubuntu."
            )
        compiler = getattr(self.compiler, "compiler", None)
        if compiler and shutil.which(compiler[0]) is None:
            sys.exit(
                f"fastapi-user-auth-c: no C compiler ('{compiler[0]}' not found). "
                "Install one first, e.g. 'apt-get install gcc libc6-dev' on Debian and Ubuntu."
            )
        if self.compiler.compiler_type != "msvc":
            for extension in self.extensions:
                extension.extra_compile_args += ["-std=c11", "-O3", "-fvisibility=hidden", *self.development_args()]
                if sys.platform != "win32":  # Argon2's lanes
                    extension.extra_link_args += ["-pthread"]
                if switch("FUA_SANITIZE"):
                    extension.extra_link_args += ["-fsanitize=address,undefined"]
                if switch("FUA_COVERAGE"):
                    extension.extra_link_args += ["--coverage"]
        super().build_extensions()

    @staticmethod
    def development_args() -> list[str]:
        args: list[str] = []
        if switch("FUA_WERROR"):
            args += WARNINGS
        if switch("FUA_SANITIZE"):
            args += ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g", "-O1"]
        if switch("FUA_COVERAGE"):
            args += ["--coverage", "-O0"]
        return args


setup(
    ext_modules=[
        Extension(
            "fastapi_user_auth_c._core",
            sources=sorted(path.as_posix() for path in CSRC.glob("*/*.c")),
            depends=sorted(path.as_posix() for path in CSRC.glob("*/*.h")),
            include_dirs=[CSRC.as_posix()],
        )
    ],
    cmdclass={"build_ext": BuildExt},
)
