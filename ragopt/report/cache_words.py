"""A cache advice in words and figures: the sentence that ranks the caches by money, shares, times, names; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.cache.advice import REPLAYED
from ragopt.cache.records import DEPLOYABLE
from ragopt.report.words import shown, usd_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.cache.advice import Buys, CacheAdvice, CachePlan, UsdRange
    from ragopt.cache.records import CacheName, Policy, Share

NAMES: dict[CacheName, str] = {
    "answer": "exact-answer",
    "semantic": "semantic",
    "embedding": "query-embedding",
    "result": "result",
    "chunk": "chunk",
    "prefix": "prompt-prefix",
}

BUYS: dict[Buys, str] = {"money": "money", "latency": "latency, not money", "nothing": "nothing"}

NO_LOG = "No query log was replayed: `ragopt cache LOG --run RUN`."
"""What a run without a cache advice says, wherever its report speaks of caches."""

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86_400, 31_536_000

UNITS = ((YEAR, "years"), (DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes"), (1, "seconds"))


def name_of(name: str) -> str:
    """A cache's name in words, made safe to show.

    >>> name_of("answer")
    'exact-answer'
    """
    return shown({str(key): told for key, told in NAMES.items()}.get(name, name))


def titled(name: str) -> str:
    """A cache's name as the first words of a line: `Exact-answer cache`."""
    told = name_of(name)
    return f"{told[:1].upper()}{told[1:]} cache"


def policy_text(policy: Policy | None) -> str:
    """A policy as a legend has it; those that no service can deploy are called reference lines.

    >>> policy_text("LRU"), policy_text("Belady")
    ('LRU', "Belady's optimum (reference)")
    """
    if policy is None:
        return ""
    told = "Belady's optimum" if policy == "Belady" else shown(policy)
    return told if policy in DEPLOYABLE else f"{told} (reference)"


def percent_text(share: float) -> str:
    """A share in percent: one decimal, below 1 % two.

    >>> percent_text(0.0912), percent_text(0.0042), percent_text(0.0)
    ('9.1 %', '0.42 %', '0.0 %')
    """
    return f"{_figure(share, _decimals(share))} %"


def _decimals(share: float) -> int:
    return 2 if 0 < abs(share) < 0.00995 else 1  # .00995 is the least share that one decimal rounds to 1.0


def _figure(share: float, decimals: int) -> str:
    return f"{100 * share:.{decimals}f}"


def share_text(share: Share | None) -> str:
    """A share in percent with its 95 % interval; empty where nothing was replayed.

    >>> from ragopt.cache.records import Share
    >>> share_text(Share(0.091, 0.071, 0.111, 3553))
    '9.1 % [7.1, 11.1]'
    """
    if share is None:
        return ""
    low, high = (_figure(end, _decimals(share.value)) for end in (share.low, share.high))
    return f"{percent_text(share.value)} [{low}, {high}]"


def saved_text(saved: UsdRange) -> str:
    """USD with the 95 % interval: `17.20 [14.10, 20.90]`."""
    return f"{usd_text(saved.value)} [{usd_text(saved.low)}, {usd_text(saved.high)}]"


def ttl_text(ttl_s: float | None) -> str:
    """How long an entry lives.

    >>> [ttl_text(seconds) for seconds in (300, 3600, 86_400, 604_800, 5400, 45, None)]
    ['5 min', '1 h', '1 day', '7 days', '1.5 h', '45 s', 'no end']
    """
    if ttl_s is None:
        return "no end"
    if ttl_s >= DAY:
        days = f"{ttl_s / DAY:,.4g}"
        return f"{days} day" if days == "1" else f"{days} days"
    size, unit = (HOUR, "h") if ttl_s >= HOUR else (MINUTE, "min") if ttl_s >= MINUTE else (1, "s")
    return f"{ttl_s / size:.4g} {unit}"


def span_text(seconds: float | None) -> str:
    """A break-even reuse interval in its largest unit; empty where there is none.

    >>> [span_text(seconds) for seconds in (20, 1800, 20_000, 691_200, 315_360_000, 4e9, None)]
    ['20 seconds', '30 minutes', '5.6 hours', '8.0 days', '10 years', 'over 100 years', '']
    """
    if seconds is None:
        return ""
    if seconds > 100 * YEAR:
        return "over 100 years"
    size, unit = next((one for one in UNITS if seconds >= 2 * one[0]), UNITS[-1])
    value = seconds / size
    return f"{value:.1f} {unit}" if value < 10 and size > 1 else f"{value:.0f} {unit}"


def ranked_sentence(advice: CacheAdvice) -> str:
    """The caches that are recommended, by what they save a month, and those not for money."""
    on = sorted((plan for plan in advice.plans if plan.on), key=lambda plan: -plan.saved.value)
    if not on:
        return "No cache is recommended."
    parts = [_money([plan for plan in on if plan.buys == "money"])]
    for buys, told in (("latency", "latency, not money"), ("nothing", "neither money nor latency")):
        plans = [plan for plan in on if plan.buys == buys]
        if plans:
            verb = "buys" if len(plans) == 1 else "buy"
            usd = _and([usd_text(plan.saved.value) for plan in plans])
            a_month = "" if parts[0] else "USD "
            parts.append(f"{_and([name_of(plan.name) for plan in plans])} cache{'s' * (len(plans) > 1)} {verb} {told}: "
                         f"{a_month}{usd}{' a month' if a_month else ''}")  # fmt: skip
    sentence = "; ".join(part for part in parts if part)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _money(plans: Sequence[CachePlan]) -> str:
    told = [f"{name_of(plan.name)} cache {usd_text(plan.saved.value)}" for plan in plans]
    if told:
        first = plans[0]
        told[0] = f"{name_of(first.name)} cache saves USD {usd_text(first.saved.value)} a month"
    return ", ".join(told)


def _and(words: Sequence[str]) -> str:
    """Words in a row: `a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def sum_sentence(advice: CacheAdvice) -> str:
    """What the month's requests cost without the recommended caches and with them, their memory paid."""
    return (
        f"USD {usd_text(advice.usd_before)} a month without them, USD {usd_text(advice.usd_after)} with them: "
        "questions, searches, chunk reads and tokens of the log's requests, and the caches' memory."
    )


def insufficient_sentence(advice: CacheAdvice) -> str:
    """Why nothing is recommended whatever was saved; empty where the log is enough."""
    return f"No cache is recommended, the log says too little: {shown(advice.insufficient)}" * bool(advice.insufficient)


def log_sentence(advice: CacheAdvice) -> str:
    """What was replayed, and for how many requests a month the savings are."""
    log = advice.log
    days = "without times" if log.days is None else f"over {log.days:,.1f} days"
    start = "Replayed" if advice.basis == REPLAYED else f"Basis: {shown(advice.basis)}"
    return (
        f"{start}: {shown(log.source)}, {log.n_requests:,} requests {days}. Savings are for "
        f"{log.requests_per_month:,.0f} requests a month ({shown(log.rate)})."
    )


def searched_sentence(advice: CacheAdvice) -> str:
    """Whose searches were billed; empty without a run."""
    return f"Searches are billed for {shown(advice.trial)} on {shown(advice.target)}." * bool(advice.trial)


def reasons(advice: CacheAdvice, *, off_only: bool = False) -> tuple[str, ...]:
    """Why each cache is on or off, in the order in which a request meets them; or of those that are off only."""
    plans = (plan for plan in advice.plans if not (off_only and plan.on))
    return tuple(f"{titled(plan.name)}: {shown(plan.reason)}" for plan in plans)


def notes(advice: CacheAdvice) -> tuple[str, ...]:
    """What a reader has to know of each cache, one line a note."""
    return tuple(f"{titled(plan.name)}: {shown(note)}" for plan in advice.plans for note in plan.notes)
