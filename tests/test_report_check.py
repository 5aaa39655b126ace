"""A check as JSON and as text: what is printed is what is read back, and nothing that was read controls a terminal."""

import io
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ragopt.measure.intervals import Interval
from ragopt.report.check_text import bill_sentences, print_check
from ragopt.serve.check_json import check_json, checked_of
from ragopt.serve.check_records import CodingDrift, Reason
from tests.checked import by_hand

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def printed(checked, width=200):
    out = io.StringIO()
    print_check(checked, Console(file=out, width=width, highlight=False))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("absent", [(), ("embedder", "canaries", "queries", "added", "bill"), ("bill",)])
def test_json_is_read_back_as_it_was(absent):
    """Through text and back every record is equal, with parts and without them."""
    checked = by_hand(**dict.fromkeys(absent))
    assert checked_of(json.loads(json.dumps(check_json(checked), allow_nan=False))) == checked


@given(FINITE, FINITE, FINITE, st.text(), st.decimals(allow_nan=False, allow_infinity=False))
def test_json_holds_any_figure_and_text(value, low, high, text, usd):
    """Floats to their last bit, any text, and money of any length come back."""
    drift = CodingDrift(text, 5, value, 6, high, Interval(value, low, high, 5))
    checked = by_hand(documents=drift, notes=(text,), reasons=(Reason("broken", text),))
    checked = replace(checked, bill=replace(checked.bill, usd_per_month=usd))
    assert checked_of(json.loads(json.dumps(check_json(checked)))) == checked


def test_json_begins_with_the_word():
    """Schema, word and exit code come first; money is text."""
    values = check_json(by_hand())
    assert list(values)[:3] == ["schema", "word", "exit_code"]
    assert (values["schema"], values["word"], values["exit_code"]) == (1, "re-train", 5)
    assert values["bill"]["usd_per_month"] == "30.50"
    assert values["bill"]["others"][0]["usd_per_month"] == "20.00"


def test_text_ends_with_the_word():
    """Heading, reasons, bill, notes, and the word with its next step."""
    lines = printed(by_hand())
    assert lines[0] == "index: m@8:none | PQ4, version 3, 1,500 chunks"
    assert lines[1:3] == ["re-train why.", "keep     ok."]
    assert "note     a note." in lines
    assert lines[-1].startswith("re-train: New documents are of another kind")


def test_the_bill_in_words():
    """27.22 then; 30.50 now, of which -1.22 by prices and +4.50 by size; a runner-up would bill 20.00."""
    sentences = bill_sentences(by_hand().bill)
    assert sentences[0] == (
        "USD 27.22 a month at faiss-ram on 2026-11-01 for 1,000 vectors; USD 30.50 with the prices of today for 1,500 "
        "vectors: -USD 1.22 by prices, +USD 4.50 by size."
    )
    assert sentences[1].startswith("m@8:none | SQ8 at faiss-ram-nvme would bill USD 20.00 today;")


def test_a_bill_that_nothing_undercuts():
    """Others that bill as much or more are counted, not named; without others that is said."""
    bill = by_hand().bill
    dear = replace(bill, usd_per_month=Decimal("20.00"))
    assert bill_sentences(dear)[1].startswith("None of 1 others")
    assert bill_sentences(replace(bill, others=()))[1] == "The run kept no other target or runner-up to compare with."


def test_no_bill_today_says_why():
    """A target that does not take the index any more has a reason instead of a figure."""
    bill = replace(by_hand().bill, usd_per_month=None, why_not="it is too large")
    assert bill_sentences(bill)[0].endswith("for 1,000 vectors; today there is no bill: it is too large.")


def test_what_was_read_cannot_control_the_terminal():
    """Escape sequences are spelt out and markup stays as it was written."""
    lines = printed(by_hand(notes=("\x1b[31m[bold]red[/bold]",), folder="\x07bell"))
    assert "\x1b" not in "".join(lines)
    assert "note     \\x1b[31m[bold]red[/bold]." in lines
    assert lines[0].startswith("\\x07bell: ")
