from decimal import Decimal

import numpy as np
import pytest

from ragopt.bill.footprint import Footprint
from ragopt.bill.price_book import PriceBook
from ragopt.bill.scan_cost import scan_cpu_ms
from ragopt.bill.targets import bill_index
from ragopt.bill.workload import Workload
from ragopt.errors import InputError, SpecError
from ragopt.measure.latency import SearchTiming
from ragopt.records import IndexBytes, LatencyMs, Trial
from ragopt.sweep.measured import Measured
from ragopt.sweep.pricing import CpuPerQuery, Pricing, code_bytes_per_vector, workload_of

SIZES = IndexBytes(16.0, 2000, 64.0, 82_000)
RESCORED = Trial.parse("m@64:none | PQ16np,Refine(SQ8) | k_factor_rf=20")


def measured(trial=RESCORED, sizes=SIZES):
    timing = SearchTiming(LatencyMs(1.0, 2.0, 3.0, 64), 900.0, 1.1, 1.0, 1.25)
    empty = np.zeros((2, 10))
    return Measured(trial, empty.astype(np.int64), empty.astype(np.float32), sizes, timing, 1.0, 0.5, 0.25, empty)


def pricing(cost_model, *, n_vectors=1000, k=10):
    return Pricing(workload_of({}, n_vectors), PriceBook.packaged(), cost_model, n_vectors, k)


def test_measured_cost_model_takes_the_clock_with_its_interval():
    """`measured` bills the CPU time that was measured, and the bill's ends come from its interval."""
    assert pricing("measured").cpu(measured()) == CpuPerQuery(1.1, 1.0, 1.25)


def test_scan_cost_model_takes_the_table_and_no_clock():
    """`scan` gives the table's figure for the trial, without a spread, whatever was measured."""
    expected = scan_cpu_ms(RESCORED.factory, 64, RESCORED.search, 1000, code_bytes=16.0, k=10)
    assert pricing("scan").cpu(measured()) == CpuPerQuery(expected, expected, expected)


def test_scan_cost_model_does_not_bill_the_id_as_code():
    """Inverted lists keep 8 bytes of id beside each code; they are not scanned."""
    trial = Trial.parse("m@64:none | IVF4,PQ16np | nprobe=2")
    sizes = IndexBytes(24.0, 2000, 0.0, 26_000)
    assert code_bytes_per_vector(sizes, trial) == 16.0
    assert code_bytes_per_vector(SIZES, RESCORED) == 16.0
    expected = scan_cpu_ms(trial.factory, 64, trial.search, 1000, code_bytes=16.0, k=10)
    assert pricing("scan").cpu(measured(trial, sizes)).value == expected


def test_an_unknown_codec_has_no_bill():
    """A codec that no factory string has is an error, not a bill of nothing."""
    trial = Trial.parse("m@64:none | SQ7")
    with pytest.raises(SpecError, match="SQ7"):
        pricing("scan").cpu(measured(trial))


def test_bills_are_those_of_the_bill_room():
    """Every target's bill equals the bill room's own for the same footprint; 20 x 10 vectors are read per query."""
    one = pricing("measured")
    cpu = one.cpu(measured())
    footprint = Footprint(SIZES, 1000, 1.1, 1.0, 1.25, rescored_per_query=200)
    bills = one.bills(RESCORED, SIZES, cpu)
    assert set(bills) == {"faiss-ram", "faiss-ram-nvme"}
    for target, bill in bills.items():
        assert bill == bill_index(footprint, one.workload, one.book, target=target)


def test_an_index_in_one_tier_has_no_bill_for_two():
    """Without a rescoring tier there is nothing to keep on a disk."""
    trial, sizes = Trial.parse("m@64:none | SQ8"), IndexBytes(64.0, 2000, 0.0, 66_000)
    one = pricing("measured")
    assert set(one.bills(trial, sizes, one.cpu(measured(trial, sizes)))) == {"faiss-ram"}


def test_workload_defaults_to_the_corpus_and_its_own_defaults():
    """Nothing said: the corpus's size and the workload's defaults. Something said: that, zero queries included."""
    assert workload_of({}, 4321) == Workload(n_vectors=4321)
    said = {"n_vectors": 10_000_000, "queries_per_month": 0, "peak_qps": Decimal("2.5"), "n_replicas": 3}
    assert workload_of(said, 4321) == Workload(10_000_000, 0, Decimal("2.5"), 3, "aws", "us-east-1")
    assert workload_of({"queries_per_month": 50_000_000, "peak_qps": Decimal(100)}, 7).queries_per_month == 50_000_000


def test_workload_errors_name_the_option():
    """A scale that cannot be billed names the option to correct."""
    with pytest.raises(InputError, match="--vectors-at-scale is 0"):
        workload_of({"n_vectors": 0}, 10)


def test_a_rerankers_candidates_are_rescored():
    """50 candidates instead of 10 results rescore five times as many: 1,000 reads a query at k_factor_rf = 20."""
    asked = {"reranker": "cohere:rerank-v3.5", "peak_qps": Decimal(100)}
    plain, reranked = (
        Pricing(workload_of(given, 1000), PriceBook.packaged(), "measured", 1000, 10)
        for given in ({"peak_qps": Decimal(100)}, asked)
    )
    cpu = plain.cpu(measured())
    quantities = [
        next(line.quantity for line in one.bills(RESCORED, SIZES, cpu)["faiss-ram-nvme"].lines if "Reads" in line.item)
        for one in (plain, reranked)
    ]
    # 64 B: 1 + 63 / 4,096 pages a vector; 20,000 and 100,000 vectors a second, 3,000 reads are included.
    assert quantities == [Decimal(20308 - 3000), Decimal(101539 - 3000)]
