"""Answers ``import fastapi_user_auth...`` with this package, for applications that are not to be edited."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

ORIGINAL = "fastapi_user_auth"
OURS = __name__.rpartition(".")[0]


class _Alias(Loader):
    """Gives a module of this package a second name."""

    def __init__(self, ours: str) -> None:
        self.ours = ours

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.ours)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # the import system has just put the alias's there


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        root, dot, rest = fullname.partition(".")
        if root != ORIGINAL:
            return None
        ours = OURS + dot + rest
        found = find_spec(ours)
        if found is None:
            return None
        return ModuleSpec(fullname, _Alias(ours), is_package=found.submodule_search_locations is not None)


def install() -> None:
    """Answer every later ``import fastapi_user_auth...`` with this package. Safe to call again.

    Raises:
        ImportError: the original has been imported already; its tables would clash with the ones here.
    """
    loaded = sys.modules.get(ORIGINAL)
    if loaded is not None and loaded is not sys.modules.get(OURS):
        raise ImportError(f"{ORIGINAL} has been imported already; call {OURS}.install() before")
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
