"""FAISS on VMs: the p99 limit, replicas split over many VMs, and what lies beside the index."""

import dataclasses
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.bill.footprint import Footprint, demand_of
from ragopt.bill.packing import MANY_VMS, count_vms
from ragopt.bill.price_book import PriceBook
from ragopt.bill.targets import bill_index, bills
from ragopt.bill.workload import Workload
from ragopt.records import IndexBytes

BOOK = PriceBook.packaged()
MILLION = 1_000_000
VM = BOOK.price("aws", "us-east-1", "vms", "r7g.large")


def index_of(cpu_ms, *, disk=0.0, ram=16.0):
    sizes = IndexBytes(ram, 0, disk, round((ram + disk) * MILLION))
    return Footprint(sizes, MILLION, cpu_ms, cpu_ms, cpu_ms, dim=64, lists_probed=4)


def test_a_search_is_split_until_it_meets_the_p99_limit():
    """2 ms at a million are 200 ms at 100 M: a limit of 60 ms takes 200 / 60 -> 4 VMs, one of 200 ms a single one.

    16 B x 100 M x 1.1 fit one r7g.large; 0.001 queries a second need no second one.
    """
    for limit, n_vms in ((None, 1), ("200", 1), ("199", 2), ("60", 4), ("50", 4), ("49", 5)):
        workload = Workload(
            100 * MILLION, queries_per_month=1, peak_qps=Decimal("0.001"),
            p99_limit_ms=None if limit is None else Decimal(limit),
        )  # fmt: skip
        demand = demand_of(index_of(2.0), workload, 2.0, rescoring_in_ram=True)
        assert count_vms(demand, VM) == n_vms, limit


def test_a_tighter_p99_limit_makes_a_dearer_bill_and_says_what_it_leaves_out():
    """At 100 M vectors 200 ms of one thread; a limit of 20 ms is 10 VMs, and queueing is not in it."""
    workload = Workload(100 * MILLION, queries_per_month=1, peak_qps=Decimal("0.001"))
    free = bill_index(index_of(2.0), workload, BOOK, target="faiss-ram")
    bound = bill_index(index_of(2.0), dataclasses.replace(workload, p99_limit_ms=Decimal(20)), BOOK, target="faiss-ram")
    assert "VMs: 10 x " in bound.lines[0].item
    assert bound.usd_per_month > 5 * free.usd_per_month
    assert any("20 ms" in note and "no queueing" in note for note in bound.notes)
    assert not any("queueing" in note for note in free.notes)


def test_reads_of_the_tier_are_not_in_the_time_that_the_limit_is_held_against():
    """On a volume, vectors are read to be rescored: the note says that this wait is left out; in RAM there is none."""
    workload = Workload(MILLION, p99_limit_ms=Decimal(50))
    both = bills(index_of(0.5, disk=64.0), workload, BOOK)
    told = {name: any("reads of the rescoring tier" in note for note in bill.notes) for name, bill in both.items()}
    assert told == {"faiss-ram": False, "faiss-ram-nvme": True}


@settings(max_examples=100, deadline=None)
@given(
    ram=st.integers(1, 200), cpu_ms=st.integers(0, 2000), qps=st.integers(1, 50),
    limit=st.one_of(st.none(), st.integers(1, 3000)),
)  # fmt: skip
def test_no_fewer_vms_hold_memory_load_and_limit(ram, cpu_ms, qps, limit):
    """Every count up to 200 is tried with fractions: the packing's is the first that holds all three."""
    workload = Workload(700 * MILLION, peak_qps=Decimal(qps), p99_limit_ms=None if limit is None else Decimal(limit))
    index = index_of(cpu_ms / 700, ram=float(ram))
    search_ms = Fraction(str(index.cpu_ms_per_query)) * 700
    usable = Fraction(VM.attribute("ram_gib")) * 2**30 * Fraction(925, 1000) - 2**30
    holding = [
        n for n in range(1, 201)
        if Fraction(ram * 700 * MILLION * 11, 10) <= usable * n
        and search_ms * qps / 1000 <= n * Fraction(VM.attribute("vcpu")) * Fraction(6, 10)
        and (limit is None or search_ms <= limit * n)
    ]  # fmt: skip
    found = count_vms(demand_of(index, workload, index.cpu_ms_per_query, rescoring_in_ram=True), VM)
    assert found == holding[0] if holding else found > 200


@pytest.mark.parametrize(("n_vms", "said"), [(MANY_VMS, False), (MANY_VMS + 1, True)])
def test_a_query_that_waits_for_many_vms_is_said(n_vms, said):
    """Eight VMs a replica are not remarked on, nine are: each query waits for the slowest of them."""
    workload = Workload(100 * MILLION, queries_per_month=1, peak_qps=Decimal("0.001"),
                        p99_limit_ms=Decimal(200) / n_vms + Decimal("0.001"))  # fmt: skip
    bill = bill_index(index_of(2.0), workload, BOOK, target="faiss-ram")
    assert f"VMs: {n_vms} x " in bill.lines[0].item
    assert any(f"all {n_vms} VMs" in note and "slowest" in note for note in bill.notes) == said


@pytest.mark.parametrize("target", ["faiss-ram", "faiss-object-storage"])
def test_metadata_and_keys_lie_beside_a_faiss_index(target):
    """100 M x (1,000 + 24 B) = 102.4e9 B = 95.367432 GiB x 0.023 = 2.19 USD, one copy for all replicas."""
    index = index_of(0.01)
    workload = Workload(100 * MILLION, metadata_bytes=1000, key_bytes=24, n_replicas=2)
    bill = bill_index(index, workload, BOOK, target=target)
    [line] = [one for one in bill.lines if "metadata" in one.item]
    assert (line.part, line.quantity, line.usd) == ("storage", Decimal("95.367432"), Decimal("2.19"))
    assert any("not in a FAISS index" in note for note in bill.notes)
    bare = bill_index(index, dataclasses.replace(workload, metadata_bytes=0, key_bytes=0), BOOK, target=target)
    assert bill.usd_per_month - bare.usd_per_month == Decimal("2.19")
    assert not any("metadata" in text for text in (*bare.notes, *(one.item for one in bare.lines)))
