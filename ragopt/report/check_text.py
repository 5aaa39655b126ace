"""A check in the terminal: reasons with their figures, the bill, what was not measured, and the word last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.report.words import shown, usd_text

if TYPE_CHECKING:
    from decimal import Decimal

    from rich.console import Console

    from ragopt.serve.check_records import Checked, Repriced, Word

NEXT_STEPS: dict[Word, str] = {
    "keep": "Go on as it is.",
    "re-tune": "Search parameters or the index no longer find enough: sweep again with queries of today, then build.",
    "re-train": "New documents are of another kind than those that the codes were trained on: sweep and build again.",
    "broken": "Do not serve this folder: restore it from a copy, install the model it was built with, or build again.",
}

CHEAPER_SHOWN = 3


def print_check(checked: Checked, console: Console) -> None:
    """Print a check as sentences, one a line; the last one begins with the word."""
    if checked.trial:
        _say(console, f"{checked.folder}: {checked.trial}, version {checked.version}, {checked.n_chunks:,} chunks")
    for reason in checked.reasons:
        _say(console, f"{reason.word:8} {reason.text}.")
    if checked.bill is not None:
        for sentence in bill_sentences(checked.bill):
            _say(console, f"bill     {sentence}")
    for note in checked.notes:
        _say(console, f"note     {note}.")
    _say(console, "In brackets: 95 % intervals.")
    _say(console, f"{checked.word}: {NEXT_STEPS[checked.word]}")


def bill_sentences(bill: Repriced) -> list[str]:
    """Say what the bill was, what it is, from what the difference comes, and what would be cheaper."""
    on = f" on {bill.kept_on}" if bill.kept_on else ""
    then = f"USD {usd_text(bill.kept_usd_per_month)} a month at {bill.target}{on} for {bill.n_vectors_then:,} vectors"
    if bill.usd_per_month is None or bill.same_size_usd_per_month is None:
        sentences = [f"{then}; today there is no bill: {bill.why_not}."]
    else:
        prices = bill.same_size_usd_per_month - bill.kept_usd_per_month
        size = bill.usd_per_month - bill.same_size_usd_per_month
        now = f"USD {usd_text(bill.usd_per_month)} with the prices of today for {bill.n_vectors_now:,} vectors"
        sentences = [f"{then}; {now}: {_signed(prices)} by prices, {_signed(size)} by size."]
    cheaper = [one for one in bill.others if bill.usd_per_month is None or one.usd_per_month < bill.usd_per_month]
    for one in cheaper[:CHEAPER_SHOWN]:
        sentences.append(f"{one.trial} at {one.target} would bill USD {usd_text(one.usd_per_month)} today; whether it "
                         "finds enough was measured at the sweep, not now.")  # fmt: skip
    if bill.others and not cheaper:
        sentences.append(f"None of {len(bill.others)} others that the run kept (targets of this index, runners-up) "
                         "would bill less today.")  # fmt: skip
    if not bill.others:
        sentences.append("The run kept no other target or runner-up to compare with.")
    return sentences


def _signed(usd: Decimal) -> str:
    return f"{'+' if usd >= 0 else '-'}USD {usd_text(abs(usd))}"


def _say(console: Console, told: str) -> None:
    from rich.text import Text  # noqa: PLC0415 - loaded when first used

    console.print(Text(shown(told, limit=2000), overflow="fold"))
