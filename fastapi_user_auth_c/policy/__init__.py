"""Policy: enforcers over the C engine, storage of rules."""

from .._core import CycleError, ModelError, RuleError
from .adapter import Adapter, FileAdapter, Filter
from .enforcer import AsyncEnforcer, Enforcer

__all__ = ["Adapter", "AsyncEnforcer", "CycleError", "Enforcer", "FileAdapter", "Filter", "ModelError", "RuleError"]
