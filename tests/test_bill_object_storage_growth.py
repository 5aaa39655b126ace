"""FAISS lists on object storage between re-indexes: rebuild hours, vectors that wait in RAM, one-year commitments."""

import dataclasses
from decimal import Decimal

import pytest

from ragopt.bill.object_storage_target import FaissListsOnObjects, LanceOnObjects
from ragopt.bill.targets import Footprint, bill_index
from ragopt.bill.workload import Workload
from ragopt.records import IndexBytes
from tests.test_bill_object_storage import BOOK, vectors_of

MILLION = 1_000_000
LISTS = Footprint(
    IndexBytes(56.0, 0, 0.0, 56 * MILLION), MILLION, 0.001, 0.001, 0.001, lists_probed=2, build_seconds=180.0
)
QUIET = {"peak_qps": Decimal("0.5"), "queries_per_month": 1000}


def test_rebuilds_are_hours_of_the_vm_that_serves():
    """180 s at a million are 5 h at 100 M; two re-indexes a month are 10 h at the on-demand price of the same type."""
    workload = Workload(100 * MILLION, reindexes_per_month=Decimal(2), **QUIET)
    bill = bill_index(LISTS, workload, BOOK, target="faiss-object-storage")
    [served] = [line for line in bill.lines if line.part == "compute"]
    [rebuilt] = [line for line in bill.lines if line.part == "rebuild"]
    assert (rebuilt.quantity, rebuilt.unit, rebuilt.usd_per_unit) == (Decimal(10), "hour", served.usd_per_unit)
    unmeasured = dataclasses.replace(LISTS, build_seconds=None)
    notes = bill_index(unmeasured, workload, BOOK, target="faiss-object-storage").notes
    assert any("Build time was not measured" in note for note in notes)


def held_gib(**workload):
    """The GiB of waiting vectors that the VM line names."""
    bill = bill_index(LISTS, Workload(1000 * MILLION, **QUIET, **workload), BOOK, target="faiss-object-storage")
    text = next(line.item for line in bill.lines if line.part == "compute")
    return Decimal(text.partition(" GiB of vectors that wait")[0].rpartition(" ")[2]) if "wait" in text else Decimal(0)


@pytest.mark.parametrize(
    ("reindexes", "months", "gib"), [("4", 12, "5.22"), ("0.5", 12, "41.72"), ("0", 1, "20.86"), ("0", 3, "41.72")]
)
def test_vectors_that_wait_for_the_next_reindex_are_held(reindexes, months, gib):
    """400 M more a month, 56 B each, 22.4e9 B = 20.86 GiB a month.

    Four re-indexes a month: a quarter of it waits. One in two months: two months' growth. None: all that was added by
    the end of the month that is billed, one month's in the first and, on average over three, two.
    """
    growth = 400 * MILLION
    assert held_gib(
        growth_vectors_per_month=growth, horizon_months=months, reindexes_per_month=Decimal(reindexes)
    ) == Decimal(gib)


def test_waiting_vectors_ask_for_larger_vms():
    """20.86 GiB x 1.1 more than 1.7 GiB of a small VM: the bill of the VMs grows with what waits."""
    still, growing = (
        bill_index(LISTS, Workload(1000 * MILLION, horizon_months=1, growth_vectors_per_month=n, **QUIET), BOOK,
                   target="faiss-object-storage") for n in (0, 400 * MILLION)
    )  # fmt: skip
    usd = [sum(line.usd for line in bill.lines if line.part == "compute") for bill in (still, growing)]
    assert usd[1] > usd[0] + 50
    assert not any("wait" in line.item for line in still.lines)


@pytest.mark.parametrize("target", [LanceOnObjects(), FaissListsOnObjects()])
def test_a_commitment_is_said(target):
    """One-year VMs: the caution about paid hours is among the notes, and line and formula say committed."""
    index = dataclasses.replace(LISTS, dim=384) if target.serves_the_index else vectors_of(384)
    committed = Workload(MILLION, provider="gcp", region="us-central1", commitment="1-year", **QUIET)
    charges = target.charges(index, committed, BOOK, 0.001)
    [line] = [one for one in charges.lines if one.part == "compute"]
    assert "under a one-year commitment" in line.item
    assert "committed" in line.formula
    assert any(note.startswith("One-year commitment: every hour") for note in charges.notes)
    plain = target.charges(index, dataclasses.replace(committed, commitment="on-demand"), BOOK, 0.001)
    assert "commit" not in "".join((*plain.notes, *(one.formula for one in plain.lines)))


def test_a_rebuild_under_a_commitment_is_on_demand():
    """One VM more for some hours is on no commitment: its price is the on-demand one of the type that serves."""
    work = Workload(MILLION, provider="gcp", region="us-central1", commitment="1-year",
                    reindexes_per_month=Decimal(30), **QUIET)  # fmt: skip
    bill = bill_index(LISTS, work, BOOK, target="faiss-object-storage")
    [rebuilt] = [line for line in bill.lines if line.part == "rebuild"]
    name = rebuilt.item.split("one more ")[1].split(",")[0]
    assert rebuilt.usd_per_unit == BOOK.price("gcp", "us-central1", "vms", name).usd
    assert f"x {name} " in next(line.item for line in bill.lines if line.part == "compute")
