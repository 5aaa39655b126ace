"""A comparison in sentences, and its figures as every form of it prints them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.report.sheet import Name, Sentence
from ragopt.report.words import decimal_text, usd_text
from ragopt.units import to_cents

if TYPE_CHECKING:
    from ragopt.compare.records import BillChange, Comparison, Side

LIMITS = ("arguments.min_recall", "arguments.min_ndcg_ratio", "arguments.max_p99_ms", "arguments.max_usd")

"""What a run's recommendation has to meet: where they differ, a fall may have been asked for."""

OPTION = Name("--max-increase")


def signed(value: float) -> str:
    """A difference of qualities to four decimals, with its sign; zero has none.

    >>> signed(-0.01234), signed(-0.00001), signed(0.5)
    ('-0.0123', '0.0000', '+0.5000')
    """
    text = f"{value:+.4f}"
    return text[1:] if float(text) == 0 else text


def signed_usd(usd: Decimal) -> str:
    """A difference of money with its sign; zero has none.

    >>> signed_usd(Decimal("3.1")), signed_usd(Decimal("-1234.5")), signed_usd(Decimal(0))
    ('+3.10', '-1,234.50', '0.00')
    """
    cents = to_cents(usd)
    return f"{cents:+,.2f}" if cents else "0.00"


def percent(change: Decimal, before: Decimal) -> str:
    """A change as a share of what was before, with its sign; empty where nothing was before.

    >>> percent(Decimal(5), Decimal(40)), percent(Decimal(5), Decimal(0))
    ('+12.5 %', '')
    """
    if not before:
        return ""
    text = f"{100 * change / before:+,.1f}"
    return f"{text[1:] if Decimal(text.replace(',', '')) == 0 else text} %"


def headline(found: Comparison) -> Sentence:
    """Say whether a gate opens, and why not."""
    if not found.failures:
        return ("Passed: no quality fell beyond its interval", *_bill_passed(found.bill))
    reasons: dict[str, Sentence] = {
        "nothing_fits": ("B has no trial that meets its limits, A had one",),
        "quality": (*listed([one.name for one in found.quality if one.fell]), " fell"),
        "nothing_comparable": ("no quality of the two runs can be compared",),
        "bill": ("the bill rose by more than ", OPTION, " ", Name(str(found.bill.limit))),
    }
    words: list[str] = ["Failed: "]
    for number, failure in enumerate(found.failures):
        words += ["; " if number else "", *reasons[failure]]
    return (*words, ".")


def _bill_passed(bill: BillChange) -> Sentence:
    if bill.limit is None:
        return (".",)
    return (", and the bill is within ", OPTION, " ", Name(str(bill.limit)), ".")


def listed(names: list[str]) -> Sentence:
    """Names with commas between them."""
    words: list[str] = []
    for number, name in enumerate(names):
        words += [", " if number else "", Name(name)]
    return tuple(words)


def sentences(found: Comparison) -> tuple[Sentence, ...]:
    """What follows the headline: fitting, what cannot be compared, the bill."""
    said = [*_fitting(found), *_compared(found), bill_sentence(found.bill), *_causes(found.bill),
            *_judged(found.bill)]  # fmt: skip
    limits = [one.name for one in found.inputs if one.name in LIMITS]
    if limits:
        said.append(("The runs were given other limits: ", *listed(limits), ", see the inputs."))
    if found.recommendation:
        changed = [one.name for one in found.recommendation]
        said.append(("The recommendation changed: ", ", ".join(changed), "."))
    else:
        said.append(("Both recommend ", Name(str(found.b.decision.trial)), " on ", Name(found.b.decision.target), "."))
    return tuple(said)


def _fitting(found: Comparison) -> list[Sentence]:
    if found.a.fits and found.b.fits:
        return []
    if not found.a.fits and not found.b.fits:
        return [("Neither run has a trial that meets its limits: the closest trials are compared.",)]
    if found.b.fits:
        return [("A had no trial that meets its limits: its closest one is compared with B's recommendation.",)]
    return [("B's closest trial is compared with A's recommendation.",)]


def _compared(found: Comparison) -> list[Sentence]:
    left = [one.name for one in found.quality if not one.comparable]
    if not left:
        return []
    if len(left) == len(found.quality):
        why = "no figure means the same in both runs, so that none can be called as good as before"
        return [(f"Nothing is compared: {why}. Give both runs the same judged queries.",)]
    return [("Not compared: ", *listed(left), "; the reasons are under the table.")]


def bill_sentence(bill: BillChange) -> Sentence:
    """The two bills and their difference."""
    if bill.increase == 0:
        return (f"Both bill USD {usd_text(bill.b)} a month.",)
    share = percent(bill.increase, bill.a)
    beside = f" ({share})" if share else ""
    went = f"from USD {usd_text(bill.a)} to USD {usd_text(bill.b)} a month"
    return (f"The bill went {went}: USD {signed_usd(bill.increase)}{beside}.",)


def _causes(bill: BillChange) -> list[Sentence]:
    """What was billed otherwise: another workload, other prices."""
    told: list[Sentence] = []
    if bill.workload:
        told.append(("The bills are for other workloads: ", *listed([one.name for one in bill.workload]), "."))
    if bill.prices:
        told.append(("Unit prices changed: ", *listed(list(dict.fromkeys(one.item for one in bill.prices))), "."))
    return told


def _judged(bill: BillChange) -> list[Sentence]:
    if bill.limit is None:
        return [("The bill is told and not judged: there is no ", OPTION, ".")]
    allowed = bill.allowed if bill.allowed is not None else Decimal(0)
    verdict = "more than" if bill.rose else "within"
    words = f" allows USD {_exact(allowed)} a month more: the change is {verdict} that."
    return [(OPTION, " ", Name(str(bill.limit)), words)]


def _exact(usd: Decimal) -> str:
    """Money to its last digit, two at the least: a tenth of a bill is seldom whole cents."""
    return usd_text(usd) if usd == to_cents(usd) else decimal_text(usd)


def latency_sentence(a: Side, b: Side) -> Sentence:
    """Where the latencies come from, and that they are not judged."""
    if a.cpu == b.cpu:
        return ("Latency is shown and never judged; both machines call their processor ", Name(a.cpu or "unknown"), ".")
    return ("Latency is shown and never judged: A ran on ", Name(a.cpu or "unknown"), ", B on ",
            Name(b.cpu or "unknown"), ".")  # fmt: skip
