"""Bills: worked examples by hand, a brute-force oracle for the packing, and what must always hold."""

import dataclasses
import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.bill.lines import make_line
from ragopt.bill.price_book import Price, PriceBook
from ragopt.bill.targets import COMPARED, Footprint, bill_index, bills, cheapest, ram_bytes_per_vector_at
from ragopt.bill.workload import Workload
from ragopt.errors import InputError, PriceError
from ragopt.records import Bill, IndexBytes

BOOK = PriceBook.packaged()
MILLION = 1_000_000


def footprint_of(ram, disk=0.0, *, fixed=0, cpu_ms=(0.5, 0.5, 0.5), rescored=100):
    """An index measured at one million vectors, whose file is exactly its bytes."""
    sizes = IndexBytes(ram, fixed, disk, round((ram + disk) * MILLION) + fixed)
    low, middle, high = cpu_ms
    return Footprint(sizes, MILLION, middle, low, high, rescored)


def shape_of(bill):
    return [(line.item.split(":")[0], line.quantity, line.unit, line.usd_per_unit, line.usd) for line in bill.lines]


def test_hundred_million_small_codes_with_a_disk_tier():
    """100 M x (32 B codes + 128 B rescoring) + 1 MiB, worked out by hand at both targets.

    CPU: 0.5 ms x 100 = 50 ms; x 10 QPS = 0.5 of a vCPU; r7g.medium has 1 x 60 % = 0.6. Reads: 10 x 100 x (1 + 127/4096)
    = 1,031 a second, 3,000 are included. An r7g.medium has 8 x 0.925 - 1 = 6.4 GiB = 6.872e9 B for the index.
    nvme: RAM 100e6 x 32 x 1.1 = 3.52e9 B -> 1 x r7g.medium (m7g.medium has 2.7 GiB: two of them, at 0.0816, cost more).
          730 h x 0.0536 = 39.128.
    ram:  RAM 100e6 x 160 x 1.1 = 17.6e9 B -> 3 x r7g.medium at 3 x 0.0536 = 0.1608; 2 x r7g.large and 1 x r7g.xlarge
          are 0.2142 each. 3 x 730 h x 0.0536 = 117.384.
    File: 16e9 B + 1 MiB = 14.902138 GiB; x 0.023 = 0.34. Volumes: ceil(8 + 14.902) = 23 GiB x 0.08 = 1.84 for one VM;
    ceil(8 + 14.901 / 3 + 0.001) = 13 GiB on each of three: 39 x 0.08 = 3.12.
    """
    both = bills(footprint_of(32.0, 128.0, fixed=2**20), Workload(100 * MILLION), BOOK)
    copy = ("Object storage s3-standard-storage", Decimal("14.902138"), "GB-month", Decimal("0.023"), Decimal("0.34"))
    assert shape_of(both["faiss-ram-nvme"]) == [
        ("VMs", Decimal(730), "hour", Decimal("0.0536"), Decimal("39.13")),
        ("Block storage gp3-storage", Decimal(23), "GB-month", Decimal("0.08"), Decimal("1.84")),
        copy,
    ]
    assert shape_of(both["faiss-ram"]) == [
        ("VMs", Decimal(2190), "hour", Decimal("0.0536"), Decimal("117.38")),
        ("Block storage gp3-storage", Decimal(39), "GB-month", Decimal("0.08"), Decimal("3.12")),
        copy,
    ]
    assert both["faiss-ram-nvme"].usd_per_month == Decimal("41.31")
    assert both["faiss-ram"].usd_per_month == Decimal("120.84")
    assert both["faiss-ram-nvme"].lines[0].item == (
        "VMs: 1 x r7g.medium for 1 replica; each needs 3.28 of 6.40 GiB RAM and 0.50 of 0.60 vCPU at the peak "
        "(assuming that search time grows with the number of vectors)"
    )
    assert cheapest(both).target == "faiss-ram-nvme"


def test_ten_million_float32_vectors():
    """10 M x 1,536 B: 15.36e9 B x 1.1 = 16.9e9 B RAM -> 3 x r7g.medium; file 14.305115 GiB, volumes ceil(12.77) = 13.

    117.38 + 3 x 13 x 0.08 = 3.12 + 0.33 = 120.83 USD; no rescoring tier, so no second target.
    """
    both = bills(footprint_of(1536.0, cpu_ms=(2.0, 2.0, 2.0)), Workload(10 * MILLION), BOOK)
    assert list(both) == ["faiss-ram"]
    assert shape_of(both["faiss-ram"])[2][1:] == (
        Decimal("14.305115"), "GB-month", Decimal("0.023"), Decimal("0.33")
    )  # fmt: skip
    assert both["faiss-ram"].usd_per_month == Decimal("120.83")


def test_a_tiny_corpus_takes_the_smallest_instance():
    """1,000 vectors: one c7g.medium, 730 x 0.0363 = 26.499, and ceil(8.0014) = 9 GiB of volume (0.72); no cent more."""
    bill = bill_index(footprint_of(1536.0), Workload(1000), BOOK, target="faiss-ram")
    assert shape_of(bill) == [
        ("VMs", Decimal(730), "hour", Decimal("0.0363"), Decimal("26.50")),
        ("Block storage gp3-storage", Decimal(9), "GB-month", Decimal("0.08"), Decimal("0.72")),
    ]
    assert bill.usd_per_month == bill.low == bill.high == Decimal("27.22")


def test_reads_beyond_the_included_are_billed():
    """100 QPS x 100 reads x (1 + 127/4096) = 10,310.06 -> 10,311 a second; 7,311 x 0.005 = 36.56 USD.

    At 4,000 QPS they are 412,403 a second: 409,403 x 0.005 = 2,047.02, and x 4,096 B = 1,689.2 -> 1,690 MB/s, of which
    1,565 x 0.04 = 62.60.
    """
    index = footprint_of(32.0, 128.0, cpu_ms=(0.0, 0.0, 0.0))
    bill = bill_index(index, Workload(MILLION, peak_qps=Decimal(100)), BOOK, target="faiss-ram-nvme")
    assert [(line.quantity, line.usd) for line in bill.lines if "Reads" in line.item] == [
        (Decimal(7311), Decimal("36.56"))
    ]
    bill = bill_index(index, Workload(MILLION, peak_qps=Decimal(4000)), BOOK, target="faiss-ram-nvme")
    assert [(line.quantity, line.usd) for line in bill.lines[2:]] == [
        (Decimal(409403), Decimal("2047.02")),
        (Decimal(1565), Decimal("62.60")),
    ]
    in_ram = bill_index(index, Workload(MILLION, peak_qps=Decimal(4000)), BOOK, target="faiss-ram")
    assert not [line for line in in_ram.lines if "Reads" in line.item]


def test_replicas_multiply_vms_and_volumes_but_not_the_durable_copy():
    """Three replicas are three times VMs and volumes; the copy in object storage stays one."""
    one, three = (
        bill_index(footprint_of(32.0, 128.0), Workload(100 * MILLION, n_replicas=n), BOOK, target="faiss-ram")
        for n in (1, 3)
    )
    assert [line.quantity for line in three.lines] == [
        3 * one.lines[0].quantity, 3 * one.lines[1].quantity, one.lines[2].quantity
    ]  # fmt: skip
    assert "3 x r7g.medium for each of 3 replicas" in three.lines[0].item


def test_low_and_high_are_the_bill_at_the_ends_of_the_cpu_interval():
    """0.5, 5 and 50 ms per query at 1,000 QPS keep 0.5, 5 and 50 vCPUs busy; the first fits one c7g.medium (0.6)."""
    index = footprint_of(32.0, cpu_ms=(0.5, 5.0, 50.0))
    bill = bill_index(index, Workload(MILLION, peak_qps=Decimal(1000)), BOOK, target="faiss-ram")
    for end, cpu_ms in ((bill.low, 0.5), (bill.high, 50.0)):
        alone = footprint_of(32.0, cpu_ms=(cpu_ms, cpu_ms, cpu_ms))
        at_end = bill_index(alone, Workload(MILLION, peak_qps=Decimal(1000)), BOOK, target="faiss-ram")
        assert end == at_end.usd_per_month
    assert Decimal("27.22") == bill.low < bill.usd_per_month < bill.high


def oracle_usd(book, growing, file_growing, fixed, cpu, reads, replicas, least_vms):
    """Try every type and every count up to 60 with fractions; written without looking at the packing."""
    cents = lambda usd: Fraction(math.floor(usd * 100 + Fraction(1, 2)), 100)  # noqa: E731 - used six times below
    best = None
    for vm in book.instances("aws", "us-east-1"):
        ram, vcpu = Fraction(vm.attribute("ram_gib")) * 2**30, Fraction(vm.attribute("vcpu"))
        for n in range(least_vms, 61):
            holds = (Fraction(growing) / n + fixed) * Fraction(11, 10) + 2**30 <= ram * Fraction(925, 1000)
            if not (holds and Fraction(cpu) / n <= vcpu * Fraction(6, 10)):
                continue
            disk = math.ceil(Fraction(8) + (Fraction(file_growing) / n + fixed) / 2**30)
            extra_reads = max(0, math.ceil(Fraction(reads) / n) - 3000)
            extra_mb = max(0, math.ceil(Fraction(reads) * 4096 / 10**6 / n) - 125)
            usd = (
                cents(n * replicas * 730 * Fraction(vm.usd))
                + cents(disk * n * replicas * Fraction("0.08"))
                + cents(extra_reads * n * replicas * Fraction("0.005"))
                + cents(extra_mb * n * replicas * Fraction("0.04"))
            )
            best = usd if best is None else min(best, usd)
    return best


def small_book(types):
    keep = [price for price in BOOK if price.group != "vms"]
    like = next(price for price in BOOK if price.group == "vms")
    for number, (vcpu, ram_gib, cents) in enumerate(types):
        sizes = {"vcpu": Decimal(vcpu), "ram_gib": Decimal(ram_gib)}
        keep.append(dataclasses.replace(like, item=f"t{number}", usd=Decimal(cents) / 100, attributes=sizes))
    return PriceBook(keep)


@settings(max_examples=60, deadline=None)
@given(
    types=st.lists(
        st.tuples(st.integers(1, 16), st.integers(4, 64), st.integers(5, 200)), min_size=1, max_size=4, unique=True
    ),
    ram=st.integers(1, 100),
    disk=st.integers(0, 60),
    fixed=st.sampled_from([0, 1000, 10**8]),
    cpu_ms=st.integers(0, 200),
    qps=st.integers(1, 30),
    replicas=st.integers(1, 3),
    limit_ms=st.one_of(st.none(), st.integers(1, 250)),
)
def test_no_packing_is_cheaper(types, ram, disk, fixed, cpu_ms, qps, replicas, limit_ms):
    """Brute force over every type and count that keeps a p99 limit never beats the packing, to the cent."""
    book, n_vectors = small_book(types), 700 * MILLION
    time_ms = cpu_ms / 700
    index = footprint_of(float(ram), float(disk), fixed=fixed, cpu_ms=(time_ms,) * 3)
    limit = None if limit_ms is None else Decimal(limit_ms)
    workload = Workload(n_vectors, peak_qps=Decimal(qps), n_replicas=replicas, p99_limit_ms=limit)
    least_vms = max(1, math.ceil(Fraction(str(time_ms)) * 700 / limit_ms)) if limit_ms else 1
    for name, bill in bills(index, workload, book).items():
        in_ram = ram + disk if name == "faiss-ram" else ram
        reads = 0 if name == "faiss-ram" else Fraction(qps) * 100 * (1 + Fraction(disk - 1, 4096))
        cpu = Fraction(str(time_ms)) * 700 * qps / 1000
        growing = in_ram * n_vectors
        expected = oracle_usd(book, growing, (ram + disk) * n_vectors, fixed, cpu, reads, replicas, least_vms)
        found = sum((line.usd for line in bill.lines if "Object" not in line.item), Decimal(0))
        # Beyond 60 VMs the oracle has nothing to say.
        assert expected is None or Fraction(found) == expected


@settings(max_examples=60, deadline=None)
@given(
    ram=st.floats(1, 4096), disk=st.floats(0, 4096), fixed=st.integers(0, 10**9), more=st.floats(0, 2000),
    n_vectors=st.integers(1, 10**9), qps=st.integers(1, 2000), cpu_ms=st.floats(0, 10),
    target=st.sampled_from(COMPARED),
)  # fmt: skip
def test_more_bytes_never_lower_a_bill(ram, disk, fixed, more, n_vectors, qps, cpu_ms, target):
    """Wherever the bytes are added, in RAM, on disk or fixed, the bill stays or grows."""
    disk = disk + 1
    workload = Workload(n_vectors, peak_qps=Decimal(qps))

    def usd(ram, disk, fixed):
        index = footprint_of(ram, disk, fixed=fixed, cpu_ms=(cpu_ms,) * 3)
        return bill_index(index, workload, BOOK, target=target).usd_per_month

    before = usd(ram, disk, fixed)
    assert usd(ram + more, disk, fixed) >= before
    assert usd(ram, disk + more, fixed) >= before
    assert usd(ram, disk, fixed + int(more * 10**5)) >= before


@settings(max_examples=60, deadline=None)
@given(
    ram=st.floats(1, 4096), disk=st.floats(1, 4096), n_vectors=st.integers(1, 10**9), qps=st.integers(1, 5000),
    cpu_ms=st.floats(0, 10), replicas=st.integers(1, 5),
)  # fmt: skip
def test_lines_add_up_and_double_with_the_prices(ram, disk, n_vectors, qps, cpu_ms, replicas):
    """Lines sum to the total, quantity x price rounds to the line, and doubled prices double it to a cent per line."""
    doubled = PriceBook(dataclasses.replace(price, usd=2 * price.usd) for price in BOOK)
    index = footprint_of(ram, disk, cpu_ms=(cpu_ms,) * 3)
    workload = Workload(n_vectors, peak_qps=Decimal(qps), n_replicas=replicas)
    for name, bill in bills(index, workload, BOOK).items():
        assert bill.usd_per_month == sum(line.usd for line in bill.lines)
        assert bill.usd_per_month.as_tuple().exponent == -2
        for line in bill.lines:
            assert line.usd > 0
            assert abs(line.quantity * line.usd_per_unit - line.usd) <= Decimal("0.005")
            assert line.as_of
            assert line.source
        twice = bill_index(index, workload, doubled, target=name)
        assert abs(twice.usd_per_month - 2 * bill.usd_per_month) <= Decimal("0.01") * 5


def test_unrounded_lines_double_exactly():
    """Before rounding, doubled prices double every line exactly."""
    doubled = PriceBook(dataclasses.replace(price, usd=2 * price.usd) for price in BOOK)
    index = footprint_of(32.0, 128.0)
    workload = Workload(100 * MILLION, peak_qps=Decimal(200))
    once, twice = (bill_index(index, workload, book, target="faiss-ram-nvme") for book in (BOOK, doubled))
    assert [2 * line.quantity * line.usd_per_unit for line in once.lines] == [
        line.quantity * line.usd_per_unit for line in twice.lines
    ]


def test_a_file_longer_than_its_bytes_is_billed_at_its_length():
    """What a file holds beyond bytes per vector (here 5e9 B) is billed as fixed bytes on every VM."""
    sizes = IndexBytes(32.0, 0, 0.0, 32 * MILLION + 5 * 10**9)
    bill = bill_index(Footprint(sizes, MILLION, 0.1, 0.1, 0.1), Workload(MILLION), BOOK, target="faiss-ram")
    # 8 GiB + 5.032e9 B = 12.69 -> 13 GiB
    assert bill.lines[1].quantity == 13


def test_a_target_that_makes_no_sense_is_refused():
    """No rescoring tier, no target that keeps it on a volume; an unknown target lists the known ones."""
    with pytest.raises(InputError, match="faiss-ram-nvme: the index has no rescoring tier"):
        bill_index(footprint_of(32.0), Workload(1000), BOOK, target="faiss-ram-nvme")
    with pytest.raises(InputError, match=r"Unknown target 'nowhere'\. Allowed: faiss-ram, faiss-ram-nvme"):
        bill_index(footprint_of(32.0), Workload(1000), BOOK, target="nowhere")


def test_an_unpriced_provider_is_a_price_error():
    """A provider or region without prices stops the bill and names the file."""
    with pytest.raises(PriceError, match=r"at gcp europe-west9 in ragopt/bill/prices/vms\.toml"):
        bills(footprint_of(32.0), Workload(1000, provider="gcp", region="europe-west9"), BOOK)
    acme = dataclasses.replace(next(iter(BOOK.instances("aws", "us-east-1"))), provider="acme")
    with pytest.raises(PriceError, match="No volume and object storage is known for VMs of acme"):
        bills(footprint_of(32.0), Workload(1000, provider="acme"), PriceBook([acme]))


def test_fixed_bytes_that_overfill_every_vm_are_a_price_error():
    """2e12 fixed bytes fit no type of the book, however many are taken."""
    with pytest.raises(PriceError, match=r"holds the index's fixed 2,000,000,000,000 bytes"):
        bills(footprint_of(32.0, fixed=2 * 10**12), Workload(1000), BOOK)


@pytest.mark.parametrize(
    ("cpu_ms", "ram"),
    [((0.5, 0.4, 0.6), 32.0), ((-1.0, 0.4, 0.6), 32.0), ((0.1, 0.2, math.inf), 32.0), ((0.1, 0.2, 0.3), math.nan)],
)
def test_figures_that_no_measurement_gives_are_refused(cpu_ms, ram):
    """Negative, infinite or contradictory figures are an InputError."""
    with pytest.raises(InputError):
        Footprint(IndexBytes(ram, 0, 0.0, 32), 1000, cpu_ms[1], cpu_ms[0], cpu_ms[2])


def test_cheapest_breaks_ties_by_name():
    """Equal bills go to the target whose name sorts first; no bill is an error."""
    bill = Bill("b", Decimal("1.00"), Decimal(0), Decimal(2), ())
    both = {"b": bill, "a": dataclasses.replace(bill, target="a")}
    assert cheapest(both).target == "a"
    with pytest.raises(InputError):
        cheapest({})


def test_cheapest_prefers_less_ram_on_equal_bills():
    """When both FAISS targets cost the same, as they do on the smallest VM, the rescoring tier stays out of RAM."""
    bill = Bill("faiss-ram", Decimal("78.90"), Decimal(0), Decimal(99), ())
    both = {"faiss-ram": bill, "faiss-ram-nvme": dataclasses.replace(bill, target="faiss-ram-nvme")}
    assert cheapest(both).target == "faiss-ram-nvme"


def test_a_quantity_is_written_in_plain_digits():
    """7300 hours read 7300, not 7.3E+3, and a long quotient keeps six decimals."""
    price = Price("p", "r", "g", "i", "hour", Decimal("0.1"), "2026-01-01", "s")
    quantities = [Decimal(text) for text in ("7300", "1e6", "0.1234567", "2.50")]
    assert [str(make_line("x", one, price, part="compute", formula="").quantity) for one in quantities] == [
        "7300", "1000000", "0.123457", "2.5"
    ]  # fmt: skip


def test_bytes_in_ram_follow_the_target():
    """A target that keeps the rescoring tier in RAM holds codes and tier there, the other one the codes alone."""
    sizes = IndexBytes(16.0, 1000, 256.0, 30_000)
    assert ram_bytes_per_vector_at("faiss-ram", sizes) == 272.0
    assert ram_bytes_per_vector_at("faiss-ram-nvme", sizes) == 16.0
    with pytest.raises(InputError, match="Unknown target 'tape'"):
        ram_bytes_per_vector_at("tape", sizes)


def test_a_limit_that_no_split_meets_is_refused():
    """0.5 ms x 1,000 = 500 ms over at most 100 VMs are 5 ms: a limit of 4 is refused, one of 5 billed."""
    index = footprint_of(32.0)
    asked = Workload(1000 * MILLION, peak_qps=Decimal(1), queries_per_month=1000, p99_limit_ms=Decimal(4))
    with pytest.raises(InputError, match=r"takes 500 ms of CPU time .* split over 100 VMs it misses p99_limit_ms 4"):
        bill_index(index, asked, BOOK, target="faiss-ram")
    assert bill_index(index, dataclasses.replace(asked, p99_limit_ms=Decimal(5)), BOOK, target="faiss-ram").lines
