"""Rebuilds of a self-hosted index: hours by hand, and what is said where no time was measured."""

import dataclasses
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.bill.price_book import PriceBook
from ragopt.bill.rebuild import rebuild_lines, rebuild_note
from ragopt.bill.targets import Footprint, bill_index
from ragopt.bill.workload import Workload
from ragopt.records import IndexBytes

MILLION = 1_000_000
INSTANCE = PriceBook.packaged().price("aws", "us-east-1", "vms", "r7g.large")
MEASURED = Footprint(IndexBytes(32.0, 0, 0.0, 32 * MILLION), MILLION, 0.5, 0.5, 0.5, build_seconds=180.0)


def asked(n_vectors=100 * MILLION, reindexes="0", reembeddings="0"):
    return Workload(n_vectors, reindexes_per_month=Decimal(reindexes), reembeddings_per_month=Decimal(reembeddings))


def test_a_weekly_reindex_and_a_yearly_reembedding():
    """180 s at 1 M vectors are 5 hours at 100 M; 4 + 0.5 rebuilds are 22.5 hours x 0.1071 USD = 2.40975 -> 2.41."""
    [line] = rebuild_lines(MEASURED, asked(reindexes="4", reembeddings="0.5"), INSTANCE)
    assert (line.part, line.quantity, line.unit, line.usd) == ("rebuild", Decimal("22.5"), "hour", Decimal("2.41"))
    assert line.item == "Index rebuilds: 4.5 a month on one more r7g.large, 5.00 hours each"
    assert line.formula == (
        "(reindexes_per_month + reembeddings_per_month) x measured build seconds of one thread / 3,600 x 100,000,000 / "
        "1,000,000 vectors"
    )
    assert rebuild_note(MEASURED, asked(reindexes="4")) == ""


def test_replicas_copy_the_file_and_build_nothing():
    """Three replicas need no more rebuilds than one."""
    one = asked(reindexes="1")
    assert rebuild_lines(MEASURED, dataclasses.replace(one, n_replicas=3), INSTANCE) == rebuild_lines(
        MEASURED, one, INSTANCE
    )


def test_a_time_that_was_not_measured_is_said():
    """Without build_seconds there is no line, but a note, and only where rebuilds were asked for."""
    unmeasured = dataclasses.replace(MEASURED, build_seconds=None)
    assert rebuild_lines(unmeasured, asked(reindexes="1"), INSTANCE) == ()
    assert rebuild_note(unmeasured, asked(reindexes="1")) == (
        "Build time was not measured, so rebuilds are not on this bill: sweep the corpus, then bill the run."
    )
    assert rebuild_note(unmeasured, asked()) == ""
    assert rebuild_lines(MEASURED, asked(), INSTANCE) == ()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**10), st.integers(0, 1000), st.integers(1, 10))
def test_twice_the_rebuilds_are_twice_the_hours(n_vectors, reindexes, more):
    """Hours are proportional to rebuilds, up to the digits of a quantity."""
    dear = dataclasses.replace(INSTANCE, usd=Decimal(10**6))  # so that no line is less than a cent
    once = rebuild_lines(MEASURED, asked(n_vectors, reindexes), dear)
    times = rebuild_lines(MEASURED, asked(n_vectors, min(1000, reindexes * more)), dear)
    hours = [sum((line.quantity for line in lines), Decimal(0)) for lines in (once, times)]
    factor = Decimal(min(1000, reindexes * more)) / reindexes if reindexes else Decimal(1)
    assert abs(hours[1] - factor * hours[0]) <= factor * Decimal("0.000001") + Decimal("0.000001")


def test_the_bill_of_a_vm_target_holds_its_rebuilds():
    """At `faiss-ram` the rebuild is billed on one more VM of the type that serves, at its on-demand price."""
    bill = bill_index(MEASURED, asked(reindexes="2"), PriceBook.packaged(), target="faiss-ram")
    served, rebuilt = (next(line for line in bill.lines if line.part == part) for part in ("compute", "rebuild"))
    assert rebuilt.usd_per_unit == served.usd_per_unit
    assert rebuilt.quantity == Decimal(10)
    dear = dataclasses.replace(MEASURED, build_seconds=None)
    assert any("Build time was not measured" in note for note in
               bill_index(dear, asked(reindexes="2"), PriceBook.packaged(), target="faiss-ram").notes)  # fmt: skip
