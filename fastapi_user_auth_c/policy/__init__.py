"""Policy: enforcers over the C engine, storage of rules."""

from .._core import CycleError, ModelError, RuleError
from .adapter import Adapter, Filter
from .csv_file import FileAdapter
from .enforcer import AsyncEnforcer, Enforcer
from .explain import Explanation, OtherRule
from .revision import StalePolicy

__all__ = [
    "Adapter",
    "AsyncEnforcer",
    "CycleError",
    "Enforcer",
    "Explanation",
    "FileAdapter",
    "Filter",
    "ModelError",
    "OtherRule",
    "RuleError",
    "StalePolicy",
]
