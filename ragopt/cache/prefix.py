"""A provider's prompt cache replayed: how many tokens of each prompt it would have read and written."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ragopt.bill.generation_lines import LEAST_CACHED_TOKENS
from ragopt.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.cache.coded_log import Prompts

TTL_S = 300.0
"""A prefix is forgotten five minutes after its last use: Anthropic's default
(https://platform.claude.com/docs/en/build-with-claude/prompt-caching); in-memory caches of OpenAI's models typically
after five to ten (https://learn.microsoft.com/azure/foundry/openai/how-to/prompt-caching). Newer ones keep longer."""


@dataclass(frozen=True, slots=True)
class PrefixReads:
    """Tokens of each request's prompt; sums over any requests give shares and, with prices, money.

    Attributes:
        read: int64 (n_requests,) tokens that the cache holds already.
        written: int64 (n_requests,) tokens that go into the cache: all others of a prompt that is long enough. What a
            provider that charges writes bills for.
        total: int64 (n_requests,) tokens of the whole prompt.
        most_kept: prefixes in memory at once, the measure of what the replay needs.
    """

    read: NDArray[np.int64]
    written: NDArray[np.int64]
    total: NDArray[np.int64]
    most_kept: int

    @property
    def hit_share(self) -> float:
        """Share of all input tokens that is read from the cache; 0 where there are none."""
        total = int(self.total.sum())
        return int(self.read.sum()) / total if total else 0.0


class _Prefixes:
    """Prefixes of blocks sent within the last `ttl_s` seconds, as a tree; each use keeps a prefix alive."""

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._number: dict[tuple[int, int], int] = {}
        self._last_use: dict[int, float] = {}
        self._uses: deque[tuple[float, int, tuple[int, int]]] = deque()
        self._next = 0
        self.most = 0

    def matched(self, root: int, codes: list[int], now_s: float) -> int:
        """Return how many of a prompt's first blocks are kept."""
        self._forget(now_s)
        node = root
        for place, code in enumerate(codes):
            child = self._number.get((node, code))
            if child is None:
                return place
            node = child
        return len(codes)

    def keep(self, root: int, codes: list[int], now_s: float) -> None:
        """Keep every prefix of a prompt, or refresh it."""
        node = root
        for code in codes:
            edge = (node, code)
            child = self._number.get(edge)
            if child is None:
                child = self._number[edge] = self._next
                self._next += 1
            if self._last_use.get(child) != now_s:
                self._last_use[child] = now_s
                self._uses.append((now_s, child, edge))
            node = child
        self.most = max(self.most, len(self._number))

    def _forget(self, now_s: float) -> None:
        # A use of a prefix is one of all that it starts with: nothing outlives what it hangs on.
        while self._uses and now_s - self._uses[0][0] > self._ttl_s:
            used_s, node, edge = self._uses.popleft()
            if self._last_use[node] == used_s:
                del self._last_use[node], self._number[edge]


def replay_prefix(
    prompts: Prompts,
    times_s: NDArray[np.float64] | None,
    *,
    ttl_s: float = TTL_S,
    min_tokens: int = LEAST_CACHED_TOKENS,
    tenants: NDArray[np.int32] | None = None,
    prompt_tokens: NDArray[np.integer] | None = None,
) -> PrefixReads:
    """Replay a log's prompts through a cache of prefixes.

    A request reads the longest run of blocks, from the first one on, that a request of the same tenant sent within the
    last `ttl_s` seconds in the same order; each use starts the time anew. A prompt of fewer than `min_tokens` tokens is
    not kept, and a run of fewer is not read: the prompt is then written whole. A cache without limit of size, as
    providers sell it. A block is read whole or not at all, though providers may match a part of it.

    Args:
        prompts: blocks of each request in the order in which they are sent.
        times_s: float64 (n_requests,), never falling.
        ttl_s: how long a prefix is kept after its last use; one used exactly so long ago is still there.
        min_tokens: the provider's least prefix.
        tenants: int32 (n_requests,): what one tenant sent, no other reads. None where all share.
        prompt_tokens: int (n_requests,) of each whole prompt, where blocks do not cover it: the rest is never read.
            None takes the sum of the blocks.

    Raises:
        InputError: no times, other lengths, times that fall, a negative number of tokens, a TTL that is not above 0,
            or a least prefix below 0.

    Memory is what was sent within one TTL, whatever the log's length.
    """
    times = _checked(prompts, times_s, ttl_s, min_tokens, tenants)
    n = len(times)
    starts, roots = prompts.starts.tolist(), (np.zeros(n, np.int64) if tenants is None else tenants).tolist()
    sums = np.concatenate([[0], np.cumsum(prompts.tokens, dtype=np.int64)])
    total = sums[prompts.starts[1:]] - sums[prompts.starts[:-1]]
    if prompt_tokens is not None:
        total = np.maximum(total, prompt_tokens)
    long_enough = (total >= min_tokens).tolist()
    matched = np.zeros(n, dtype=np.int64)
    prefixes = _Prefixes(ttl_s)
    codes = prompts.codes
    for request, now_s in enumerate(times.tolist()):
        if long_enough[request]:
            blocks = codes[starts[request] : starts[request + 1]].tolist()
            # Tenants are roots below every number that a prefix can have.
            root = -2 - roots[request]
            matched[request] = prefixes.matched(root, blocks, now_s)
            prefixes.keep(root, blocks, now_s)
    read = sums[prompts.starts[:-1] + matched] - sums[prompts.starts[:-1]]
    read[read < min_tokens] = 0
    written = np.where(total >= min_tokens, total - read, 0)
    return PrefixReads(read, written, total, prefixes.most)


def break_even_hit_share(write_multiplier: float, read_multiplier: float) -> float:
    """Return the hit share from which a prompt cache with charged writes is cheaper than none.

    Of each token a share h is read at r times the input price and the rest written at w times: h r + (1 - h) w = 1.

    Args:
        write_multiplier: w, price of a written token in input prices; 1 or more.
        read_multiplier: r, price of a read token in input prices; 0 to below 1.

    Raises:
        InputError: multipliers outside these.

    >>> [round(break_even_hit_share(w, 0.1), 3) for w in (1.25, 2, 1)]
    [0.217, 0.526, 0.0]
    """
    if not (1 <= write_multiplier < np.inf and 0 <= read_multiplier < 1):
        raise InputError(
            f"No break-even between writes at {write_multiplier} and reads at {read_multiplier} times the input price",
            allowed="writes at 1 or more, reads at 0 to below 1",
            next_step="Divide the cache's prices by the price of an input token",
        )
    extra, saved = write_multiplier - 1, 1 - read_multiplier
    return extra / (extra + saved)


def _checked(
    prompts: Prompts,
    times_s: NDArray[np.float64] | None,
    ttl_s: float,
    min_tokens: int,
    tenants: NDArray[np.int32] | None,
) -> NDArray[np.float64]:
    if times_s is None:
        raise InputError(
            "The log has no times, and a prompt cache forgets within minutes",
            allowed="a log with the time of each request",
            next_step="Name the field with the time, or leave the prompt cache out",
        )
    n = len(prompts.starts) - 1
    if len(times_s) != n or (tenants is not None and len(tenants) != n):
        raise InputError(
            f"{n} prompts come with {len(times_s)} times and {n if tenants is None else len(tenants)} tenants",
            allowed="one for each request",
            next_step="Pass fields of the same log",
        )
    if not (np.isfinite(times_s).all() and (np.diff(times_s) >= 0).all()):
        raise InputError("Times are missing or fall", allowed="times that never fall", next_step="Sort the log by time")
    if len(prompts.tokens) and int(prompts.tokens.min()) < 0:
        raise InputError(
            f"A block of a prompt has {int(prompts.tokens.min())} tokens", allowed="0 or more", next_step="Correct it"
        )
    if not ttl_s > 0 or min_tokens < 0:
        raise InputError(
            f"No prompt cache keeps prefixes of {min_tokens} tokens or more for {ttl_s} s",
            allowed="a time above 0 and a least prefix of 0 or more",
            next_step="Use 300 s and 1,024 tokens",
        )
    return times_s
