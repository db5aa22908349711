"""Applies the patches when fastapi-amis-admin is first imported, so that importing this package stays cheap.

The translations are given to it at the same time: texts are translated while classes are defined.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

FAA = "fastapi_amis_admin"


def prepare() -> None:
    from ..locale import load
    from . import apply

    apply()
    load()


class _Loader(Loader):
    """The loader of FAA's top package, which also runs the patches: before any of its submodules can be imported."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        prepare()


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != FAA:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(fullname, path, target) if finder is not self and find is not None else None
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader)
                return spec  # type: ignore[no-any-return]
        return None


def install_hook() -> None:
    """Patch FAA as soon as it is imported; at once when it already is. Safe to call again."""
    if FAA in sys.modules:
        prepare()
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
