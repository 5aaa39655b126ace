"""A cache advice in words and figures: shares, times, names, what was replayed, why a cache is on or off; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.cache.advice import REPLAYED
from ragopt.cache.records import DEPLOYABLE
from ragopt.report.words import shown, usd_text

if TYPE_CHECKING:
    from ragopt.cache.advice import CacheAdvice, CachePlan, UsdRange
    from ragopt.cache.records import CacheName, Policy, Share

NAMES: dict[CacheName, str] = {
    "answer": "exact-answer",
    "semantic": "semantic",
    "embedding": "query-embedding",
    "result": "result",
    "chunk": "chunk",
    "prefix": "prompt-prefix",
}

NO_LOG = "No query log was replayed: `ragopt cache LOG --run RUN`."
"""What a run without a cache advice says, wherever its report speaks of caches."""

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86_400, 31_536_000

UNITS = ((YEAR, "years"), (DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes"), (1, "seconds"))

LONGEST_S = 100 * YEAR
"""Longer is called over 100 years: no cache lives so long, and figures of 300 digits say nothing."""

GUESS = "a guess"
"""What stands beside a figure that rests on something nobody measured; the plan says on what."""

NOT_COUNTED = "not counted"
"""The memory of a semantic cache: nothing is evicted from the replayed one, and the service's own is not known."""

FIRST_TURNS = "first turns (questions that begin a conversation)"
"""What a cache of exact answers is asked for."""


def counted(number: float, noun: str, *, decimals: int = 0) -> str:
    """A number with its noun, one of it in the singular; decimals that are zeros are left out.

    >>> counted(1, "request"), counted(7106, "request"), counted(1.52, "day", decimals=1)
    ('1 request', '7,106 requests', '1.5 days')
    """
    figure = f"{number:,.{decimals}f}"
    figure = figure.rstrip("0").rstrip(".") if decimals else figure
    return f"{figure} {noun}" if figure == "1" else f"{figure} {noun}s"


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


def guess_text(plan: CachePlan) -> str:
    """What a plan's figures rest on that nobody measured, as a clause; empty where all of it was measured."""
    return f"{GUESS}: {shown(plan.guess)}" if plan.guess else ""


def saved_text(saved: UsdRange) -> str:
    """USD with the 95 % interval: `17.20 [14.10, 20.90]`."""
    return f"{usd_text(saved.value)} [{usd_text(saved.low)}, {usd_text(saved.high)}]"


def ttl_text(ttl_s: float | None) -> str:
    """How long an entry lives.

    >>> [ttl_text(seconds) for seconds in (300, 3600, 86_400, 604_800, 5400, 45, None)]
    ['5 min', '1 h', '1 day', '7 days', '1.5 h', '45 s', 'no end']
    >>> ttl_text(20_763 * 86_400), ttl_text(1e300)
    ('20,763 days', 'over 100 years')
    """
    if ttl_s is None:
        return "no end"
    if ttl_s > LONGEST_S:
        return "over 100 years"
    if ttl_s >= DAY:
        return counted(ttl_s / DAY, "day", decimals=2)
    size, unit = (HOUR, "h") if ttl_s >= HOUR else (MINUTE, "min") if ttl_s >= MINUTE else (1, "s")
    return f"{ttl_s / size:.4g} {unit}"


def span_text(seconds: float | None) -> str:
    """A break-even reuse interval in its largest unit; empty where there is none.

    >>> [span_text(seconds) for seconds in (20, 1800, 20_000, 691_200, 315_360_000, 4e9, None)]
    ['20 seconds', '30 minutes', '5.6 hours', '8.0 days', '10 years', 'over 100 years', '']
    """
    if seconds is None:
        return ""
    if seconds > LONGEST_S:
        return "over 100 years"
    size, unit = next((one for one in UNITS if seconds >= 2 * one[0]), UNITS[-1])
    value = seconds / size
    return f"{value:.1f} {unit}" if value < 10 and size > 1 else f"{value:.0f} {unit}"


def insufficient_sentence(advice: CacheAdvice) -> str:
    """Why nothing is recommended whatever was saved; empty where the log is enough."""
    return f"No cache is recommended, the log says too little: {shown(advice.insufficient)}" * bool(advice.insufficient)


def log_sentence(advice: CacheAdvice) -> str:
    """What was replayed, and for how many requests a month the savings are."""
    log = advice.log
    days = "without times" if log.days is None else f"over {counted(log.days, 'day', decimals=1)}"
    start = "Replayed" if advice.basis == REPLAYED else f"Basis: {shown(advice.basis)}"
    month = counted(float(log.requests_per_month), "request")
    return (
        f"{start}: {shown(log.source)}, {counted(log.n_requests, 'request')} {days}. Savings are for {month} a month "
        f"({shown(log.rate)})."
    )


def searched_sentence(advice: CacheAdvice) -> str:
    """Whose searches were billed; empty without a run."""
    return f"Searches are billed for {shown(advice.trial)} on {shown(advice.target)}." * bool(advice.trial)


def reasons(advice: CacheAdvice, *, off_only: bool = False) -> tuple[str, ...]:
    """Why each cache is on or off, in the order in which a request meets them; or of those that are off only.

    Figures that are a guess are called one behind them.
    """
    plans = (plan for plan in advice.plans if not (off_only and plan.on))
    return tuple(f"{titled(plan.name)}: {shown(plan.reason)}{_sentence(guess_text(plan))}" for plan in plans)


def _sentence(clause: str) -> str:
    return f" {clause[:1].upper()}{clause[1:]}." if clause else ""


def notes(advice: CacheAdvice, *, on_only: bool = False) -> tuple[str, ...]:
    """What a reader has to know of each cache, or of those that are recommended only, one line a note."""
    plans = (plan for plan in advice.plans if plan.on or not on_only)
    return tuple(f"{titled(plan.name)}: {shown(note)}" for plan in plans for note in plan.notes)
