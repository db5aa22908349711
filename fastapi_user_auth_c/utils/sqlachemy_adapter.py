"""The adapter under the (misspelt) path of the original."""

from ..auth.models import CasbinRule as DefaultCasbinRule
from ..policy.adapter import Adapter, AdapterException, Filter

__all__ = ["Adapter", "AdapterException", "DefaultCasbinRule", "Filter"]
