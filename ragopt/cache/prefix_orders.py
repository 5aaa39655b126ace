"""Which order of a prompt's blocks a prompt cache would read more of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ragopt.bill.generation_lines import LEAST_CACHED_TOKENS
from ragopt.cache.prefix import TTL_S, PrefixReads, replay_prefix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragopt.cache.coded_log import Prompts

    Ints = NDArray[np.int64]

OrderName = Literal["as sent", "one-off blocks last", "chunks by popularity", "both"]

ONE_OFF_SHARE = 0.5
"""A block is one-off when more than this share of all requests have a text there that no other request has there. In
RAGPulse, the public trace of a RAG service, it is 74 % for a request's own instructions and 37 % or less for
every other block before the question."""

ORDER_CHANGES_ANSWERS = (
    "Another order of the prompt may change the answers: models weigh what stands first and last more. Compare answers "
    "before changing it."
)
"""Liu et al., Lost in the Middle, arXiv 2307.03172."""


@dataclass(frozen=True, slots=True)
class OneOffBlock:
    """A block that is another text in most requests.

    Attributes:
        part: field of the log.
        place: which block of that part, from 1.
        n_requests: of the log.
        one_off_share: share of them that have a text there that no other request has there.
    """

    part: str
    place: int
    n_requests: int
    one_off_share: float

    @property
    def text(self) -> str:
        """What it costs, in a sentence."""
        return (
            f"Block {self.place} of {self.part} is a text of its own in {100 * self.one_off_share:.0f} % of "
            f"{self.n_requests:,} requests: nothing behind it can be read from a prompt cache there."
        )


@dataclass(frozen=True, slots=True)
class OrderReplay:
    """One order of the prompts replayed.

    Attributes:
        name: of the order.
        reads: tokens of each request, in the order of the log.
        scored_from: the first request that counts: the half before warms, and popularity is counted in it.
    """

    name: OrderName
    reads: PrefixReads
    scored_from: int

    @property
    def hit_share(self) -> float:
        """Share of the counted requests' input tokens that is read from the cache; 0 where there are none."""
        total = int(self.reads.total[self.scored_from :].sum())
        return int(self.reads.read[self.scored_from :].sum()) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class PromptOrders:
    """Every order that differs from the one sent, and what stands in the way of the cache.

    Attributes:
        replays: the order as sent first, then those that differ from it.
        one_off: blocks that are another text in most requests and stand before a block that is not.
    """

    replays: tuple[OrderReplay, ...]
    one_off: tuple[OneOffBlock, ...]

    @property
    def best(self) -> OrderReplay:
        """The order with the largest hit share; of equal ones the first."""
        return max(self.replays, key=lambda one: one.hit_share)


def compare_orders(  # noqa: PLR0913 - the prompts, the provider's rules, whose they are
    prompts: Prompts,
    times_s: NDArray[np.float64] | None,
    *,
    chunk_part: str | None = None,
    ttl_s: float = TTL_S,
    min_tokens: int = LEAST_CACHED_TOKENS,
    tenants: NDArray[np.int32] | None = None,
    prompt_tokens: NDArray[np.integer] | None = None,
) -> PromptOrders:
    """Replay the prompts as sent and in orders that a service could send instead.

    One-off blocks last: they go behind all others, in their own order, as the question does anyway. Chunks by
    popularity: the most read first, counted in the first half of the log, so that the second half, which is scored,
    looks at nothing that came later. Both: both. Orders change answers: `ORDER_CHANGES_ANSWERS`.

    Args:
        prompts: as sent.
        times_s: as in `prefix.replay_prefix`.
        chunk_part: the one of `prompts.part_names` that holds chunks; None to leave their order alone.
        ttl_s: as in `prefix.replay_prefix`.
        min_tokens: as there.
        tenants: as there.
        prompt_tokens: as there.

    Raises:
        InputError: as `prefix.replay_prefix`.
    """
    half = (len(prompts.starts) - 1) // 2
    found, is_one_off = _one_off_blocks(prompts)
    orders: dict[OrderName, Prompts] = {"as sent": prompts}
    if found:
        orders["one-off blocks last"] = _moved_last(prompts, is_one_off)
    if chunk_part is not None and chunk_part in prompts.part_names:
        part = prompts.part_names.index(chunk_part)
        orders["chunks by popularity"] = by_popularity = _by_popularity(prompts, part, half)
        if found:
            # Chunks trade places with chunks only, so the marks of one-off blocks in other parts stay where they are.
            orders["both"] = _moved_last(by_popularity, is_one_off)
    replays = tuple(
        OrderReplay(
            name,
            replay_prefix(
                one, times_s, ttl_s=ttl_s, min_tokens=min_tokens, tenants=tenants, prompt_tokens=prompt_tokens
            ),
            half,
        )
        for name, one in orders.items()
    )
    return PromptOrders(replays, found)


def _requests_of(prompts: Prompts) -> Ints:
    return np.repeat(np.arange(len(prompts.starts) - 1, dtype=np.int64), np.diff(prompts.starts))


def _places(prompts: Prompts, requests: Ints) -> Ints:
    """Which block of its part of its request each block is, from 0."""
    group = requests * len(prompts.part_names) + prompts.parts
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    places = np.empty(len(group), dtype=np.int64)
    places[order] = np.arange(len(group)) - np.repeat(first, np.diff(np.append(first, len(group))))
    return places


def _one_off_blocks(prompts: Prompts) -> tuple[tuple[OneOffBlock, ...], NDArray[np.bool_]]:
    """Return the one-off blocks that stand before others, and for every block whether its place is one-off."""
    requests = _requests_of(prompts)
    places = _places(prompts, requests)
    n_parts = len(prompts.part_names)
    slots, slot_of = np.unique(places * n_parts + prompts.parts, return_inverse=True)
    _, text_of, n_of_text = np.unique(
        slot_of.astype(np.int64) * (int(prompts.codes.max(initial=0)) + 1) + prompts.codes,
        return_inverse=True,
        return_counts=True,
    )
    alone = np.bincount(slot_of, weights=n_of_text[text_of] == 1, minlength=len(slots))
    n_requests = len(prompts.starts) - 1
    # In a log of one request every text stands alone, which says nothing.
    one_off_slots = (alone > ONE_OFF_SHARE * n_requests) & (n_requests > 1)
    is_one_off = one_off_slots[slot_of]
    moved = np.zeros(len(slots), dtype=np.bool_)
    last_kept = np.full(n_requests, -1, dtype=np.int64)
    np.maximum.at(last_kept, requests[~is_one_off], np.flatnonzero(~is_one_off))
    moved[slot_of[is_one_off & (np.arange(len(is_one_off)) < last_kept[requests])]] = True
    found = tuple(
        OneOffBlock(
            prompts.part_names[slots[slot] % n_parts],
            int(slots[slot] // n_parts) + 1,
            n_requests,
            float(alone[slot] / n_requests),
        )
        for slot in sorted(np.flatnonzero(moved), key=lambda slot: (slots[slot] % n_parts, slots[slot]))
    )
    return found, is_one_off


def _moved_last(prompts: Prompts, is_last: NDArray[np.bool_]) -> Prompts:
    order = np.lexsort((is_last, _requests_of(prompts)))
    return _reordered(prompts, order)


def _by_popularity(prompts: Prompts, part: int, half: int) -> Prompts:
    """Sort each request's chunks within the places that chunks have, the most read first, ties by code."""
    requests, codes = _requests_of(prompts), prompts.codes
    chunks = np.flatnonzero(prompts.parts == part)
    counts = np.bincount(codes[chunks[requests[chunks] < half]], minlength=int(codes.max(initial=0)) + 1)
    order = np.arange(len(codes))
    order[chunks] = chunks[np.lexsort((codes[chunks], -counts[codes[chunks]], requests[chunks]))]
    return _reordered(prompts, order)


def _reordered(prompts: Prompts, order: Ints) -> Prompts:
    return replace(prompts, codes=prompts.codes[order], tokens=prompts.tokens[order], parts=prompts.parts[order])
