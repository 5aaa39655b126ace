"""How large the run-time caches of a served index are: what `ragopt.open` takes and a built folder may keep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, cast, get_args

from ragopt.errors import InputError

RunTimePolicy = Literal["LRU", "LFU"]
"""What cachebox can evict by within a limit of bytes, of `ragopt.cache.records.DEPLOYABLE`."""

POLICIES = ("embedding_policy", "result_policy", "chunk_policy")
"""Fields of one cache alone. Settings that were written before there were such fields do without them."""

MOST_BYTES = 2**63 - 1
"""The largest size that a 64-bit machine can address, and that JSON readers keep exact as an integer."""


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Capacities of the caches in front of `Index.search`; 0 bytes switch one off.

    Attributes:
        embedding_bytes: of query vectors by text. result_bytes: of whole answers. chunk_bytes: of lines of the table.
        policy: what goes first where a cache is full: `LRU` the longest unused, `LFU` the least often used.
        ttl_s: seconds after which an entry is not served any more, counted from when it was written; None for no end.
        embedding_policy, result_policy, chunk_policy: of one cache alone; None is `policy`.

    Raises:
        InputError: a capacity that is no whole number from 0 on, another policy, or a time that is not above 0 or not
            finite.
    """

    embedding_bytes: int = 0
    result_bytes: int = 0
    chunk_bytes: int = 0
    policy: RunTimePolicy = "LRU"
    ttl_s: float | None = None
    embedding_policy: RunTimePolicy | None = None
    result_policy: RunTimePolicy | None = None
    chunk_policy: RunTimePolicy | None = None

    def __post_init__(self) -> None:
        """Refuse what no cache can be."""
        for name in ("embedding_bytes", "result_bytes", "chunk_bytes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_BYTES:
                raise InputError(f"{name} is {value!r}", allowed=f"a whole number of bytes, 0 (off) to {MOST_BYTES}",
                                 next_step=f"Correct {name}")  # fmt: skip
        for name in ("policy", *POLICIES):
            value = getattr(self, name)
            if value not in get_args(RunTimePolicy) and not (value is None and name in POLICIES):
                raise InputError(f"{name} is {value!r}", allowed=" or ".join(get_args(RunTimePolicy)),
                                 next_step=f"Correct {name}")  # fmt: skip
        ttl = self.ttl_s
        if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 0 < ttl < math.inf):
            raise InputError(f"ttl_s is {ttl!r}", allowed="a finite number of seconds above 0, or None for no end",
                             next_step="Correct ttl_s")  # fmt: skip

    @property
    def is_off(self) -> bool:
        """Whether every cache is off."""
        return not (self.embedding_bytes or self.result_bytes or self.chunk_bytes)

    def as_json(self) -> dict[str, int | float | str | None]:
        """Give the fields as values of JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: object) -> CacheSettings:
        """Read what `as_json` gave.

        Raises:
            InputError: no table, a field that is missing or unknown, or a value that cannot be.
        """
        names = [one.name for one in fields(cls)]
        if not isinstance(content, Mapping) or not set(names) - set(POLICIES) <= set(content) <= set(names):
            found = ", ".join(sorted(map(str, content))) if isinstance(content, Mapping) else repr(content)[:60]
            needed = ", ".join(name for name in names if name not in POLICIES)
            raise InputError(f"Cache settings hold {found}",
                             allowed=f"exactly {needed}, and where they differ {', '.join(POLICIES)}",
                             next_step="Write them with CacheSettings.as_json()")  # fmt: skip
        return cls(**cast("Mapping[str, Any]", content))
