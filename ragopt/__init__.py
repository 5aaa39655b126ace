"""Measure, compress, bill and choose: which embedding, index and cache still find the right passages."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragopt.api import bill, build, check, recommend, sweep
    from ragopt.bill.whole_bill import WholeBill
    from ragopt.bill.workload import Workload
    from ragopt.cache.log_fields import LogFields
    from ragopt.cache.settings import CacheSettings
    from ragopt.cache_verb import cache
    from ragopt.compare.comparing import compare
    from ragopt.compare.records import Comparison
    from ragopt.corpus.records import Document
    from ragopt.errors import RagoptError
    from ragopt.finished_run import Run
    from ragopt.records import Bill, Quality, Recommendation, Space, Trial, TrialResult
    from ragopt.serve.hits import Hit
    from ragopt.serve.opened import Index
    from ragopt.serve.opened import open_index as open  # noqa: A004 - `ragopt.open`, as `gzip.open`

__version__ = "0.1.0"

_HOME = {
    "bill": "ragopt.api",
    "build": "ragopt.api",
    "cache": "ragopt.cache_verb",
    "check": "ragopt.api",
    "compare": "ragopt.compare.comparing",
    "sweep": "ragopt.api",
    "recommend": "ragopt.api",
    "open": "ragopt.serve.opened:open_index",
    "CacheSettings": "ragopt.cache.settings",
    "Document": "ragopt.corpus.records",
    "Hit": "ragopt.serve.hits",
    "Index": "ragopt.serve.opened",
    "LogFields": "ragopt.cache.log_fields",
    "RagoptError": "ragopt.errors",
    "Bill": "ragopt.records",
    "Comparison": "ragopt.compare.records",
    "Quality": "ragopt.records",
    "Recommendation": "ragopt.records",
    "Run": "ragopt.finished_run",
    "Space": "ragopt.records",
    "Trial": "ragopt.records",
    "TrialResult": "ragopt.records",
    "WholeBill": "ragopt.bill.whole_bill",
    "Workload": "ragopt.bill.workload",
}

__all__ = [
    "Bill",
    "CacheSettings",
    "Comparison",
    "Document",
    "Hit",
    "Index",
    "LogFields",
    "Quality",
    "RagoptError",
    "Recommendation",
    "Run",
    "Space",
    "Trial",
    "TrialResult",
    "WholeBill",
    "Workload",
    "bill",
    "build",
    "cache",
    "check",
    "compare",
    "open",
    "recommend",
    "sweep",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: `import ragopt` stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module 'ragopt' has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - loaded when first used

    module, _, other_name = _HOME[name].partition(":")
    return getattr(importlib.import_module(module), other_name or name)


class _Package(types.ModuleType):
    """Keeps `ragopt.sweep`, `bill`, `cache`, `compare` the verbs: importing the room of a name would take its place."""

    def __dir__(self) -> list[str]:
        """List the public names too, loaded or not, for completion."""
        return sorted({*super().__dir__(), *__all__})

    @property
    def sweep(self) -> Any:
        """Give the verb."""
        return __getattr__("sweep")

    @sweep.setter
    def sweep(self, _room: types.ModuleType) -> None:
        """Ignore the import system, which sets the room as an attribute of its parent."""

    @property
    def bill(self) -> Any:
        """Give the verb."""
        return __getattr__("bill")

    @bill.setter
    def bill(self, _room: types.ModuleType) -> None:
        """Ignore the import system, as above."""

    @property
    def cache(self) -> Any:
        """Give the verb."""
        return __getattr__("cache")

    @cache.setter
    def cache(self, _room: types.ModuleType) -> None:
        """Ignore the import system, as above."""

    @property
    def compare(self) -> Any:
        """Give the verb."""
        return __getattr__("compare")

    @compare.setter
    def compare(self, _room: types.ModuleType) -> None:
        """Ignore the import system, as above."""


sys.modules[__name__].__class__ = _Package
