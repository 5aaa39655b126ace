"""Bills at providers that sell reads with the size of a volume, and bills of a committed year, worked out by hand."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.bill.faiss_vm import WORTH
from ragopt.bill.price_book import Price, PriceBook
from ragopt.bill.targets import Footprint, bill_index, bills
from ragopt.bill.volumes import SizedVolume, VolumeNeed
from ragopt.bill.workload import Workload
from ragopt.errors import PriceError
from ragopt.records import IndexBytes

BOOK = PriceBook.packaged()
MILLION = 1_000_000


def footprint_of(ram, disk=0.0, *, fixed=0, cpu_ms=0.5):
    sizes = IndexBytes(ram, fixed, disk, round((ram + disk) * MILLION) + fixed)
    return Footprint(sizes, MILLION, cpu_ms, cpu_ms, cpu_ms)


def lines_of(bill):
    return [(line.item.split(":")[0], line.quantity, line.unit, line.usd) for line in bill.lines]


def test_a_bill_at_gcp():
    """100 M x (32 B codes + 128 B rescoring) + 1 MiB at us-central1, worked out by hand.

    VMs: RAM 3.28 GiB and 0.5 vCPU fit one n2-highmem-4, the cheapest type: 730 x 0.262028 = 191.280.
    nvme: 23 GiB for the bytes (8 + 14.902). 1,031.006 -> 1,032 reads a second: pd-balanced gives 6 a GiB, so 172 GiB =
    17.20; pd-ssd gives 30, so 35 GiB x 0.17 = 5.95, the cheaper. 1,031 x 4,096 B = 4.22 -> 5 MB/s need 10 GiB.
    ram: RAM 16.39 GiB still fit its 28.6; no reads: 23 GiB x 0.10 = 2.30 on pd-balanced.
    Copy: 14.902138 GiB x 0.02 = 0.30.
    """
    both = bills(
        footprint_of(32.0, 128.0, fixed=2**20), Workload(100 * MILLION, provider="gcp", region="us-central1"), BOOK
    )
    copy = ("Object storage gcs-standard-storage", Decimal("14.902138"), "GiB-month", Decimal("0.30"))
    vm = ("VMs", Decimal(730), "hour", Decimal("191.28"))
    assert lines_of(both["faiss-ram-nvme"]) == [
        vm, ("Block storage pd-ssd", Decimal(35), "GiB-month", Decimal("5.95")), copy
    ]  # fmt: skip
    assert lines_of(both["faiss-ram"]) == [
        vm, ("Block storage pd-balanced", Decimal(23), "GiB-month", Decimal("2.30")), copy
    ]  # fmt: skip
    assert both["faiss-ram"].notes == (WORTH,)
    _, note = both["faiss-ram-nvme"].notes
    assert note.startswith("Reads have no price of their own at this provider")


def test_a_bill_at_azure():
    """The same index at eastus, worked out by hand.

    VMs: D4s_v5, 730 x 0.192 = 140.16 (its 16 x 0.925 - 1 = 13.8 GiB hold 3.28).
    nvme: 1,032 reads: nine P4 (120 each) = 47.52; three P10 (500 each) = 59.13; one P20 = 73.22; one P30 = 135.17.
    ram: 16.39 GiB do not fit 13.8; two D4s_v5 at 0.384 against one E4s_v5 (28.6 GiB) at 0.252: 730 x 0.252 = 183.96;
    no reads: one P4 (32 GiB hold 23) = 5.28.
    Copy: 16,001,048,576 B / 10^9 = 16.001049 x 0.0208 = 0.33.
    """
    both = bills(
        footprint_of(32.0, 128.0, fixed=2**20), Workload(100 * MILLION, provider="azure", region="eastus"), BOOK
    )
    copy = ("Object storage azure-hot-storage", Decimal("16.001049"), "GB-month", Decimal("0.33"))
    assert lines_of(both["faiss-ram-nvme"]) == [
        ("VMs", Decimal(730), "hour", Decimal("140.16")),
        ("Block storage premium-ssd-p4", Decimal(9), "disk-month", Decimal("47.52")),
        copy,
    ]
    assert lines_of(both["faiss-ram"]) == [
        ("VMs", Decimal(730), "hour", Decimal("183.96")),
        ("Block storage premium-ssd-p4", Decimal(1), "disk-month", Decimal("5.28")),
        copy,
    ]


def test_a_committed_year_at_gcp():
    """1,000 vectors for a year at GCP: n2-highmem-4, 120.49964 a month, + 9 GiB x 0.10 = 0.90: 121.40 USD.

    On demand the same VM costs 191.28.
    """
    workload = Workload(1000, provider="gcp", region="us-central1", commitment="1-year")
    bill = bill_index(footprint_of(1536.0), workload, BOOK, target="faiss-ram")
    assert lines_of(bill) == [
        ("VMs", Decimal(730), "hour", Decimal("120.50")),
        ("Block storage pd-balanced", Decimal(9), "GiB-month", Decimal("0.90")),
    ]
    assert bill.lines[0].usd_per_unit == Decimal("0.16506800")
    assert "n2-highmem-4 for 1 replica, under a one-year commitment; each" in bill.lines[0].item
    assert bill.notes == (WORTH, "One-year commitment: every hour of the year is paid, whether the VMs run or not.")


def test_a_missing_committed_price_names_file_and_items():
    """AWS has no dated one-year price: an error that names the file and the types that a price could be given for."""
    with pytest.raises(PriceError) as caught:
        bill_index(footprint_of(32.0), Workload(1000, commitment="1-year"), BOOK, target="faiss-ram")
    message = str(caught.value)
    assert "aws us-east-1 in ragopt/bill/prices/vms_1_year.toml. Allowed: items c7g.2xlarge, c7g.medium, " in message
    assert "--prices FILE (group 'vms_1_year')" in message


def test_types_without_a_committed_price_are_named_in_a_note():
    """One negotiated price is enough for a bill, which says that the other types were not considered."""
    mine = Price("aws", "us-east-1", "vms_1_year", "r7g.large", "hour", Decimal("0.07"), "2026-11-01", "contract 7")
    workload = Workload(1000, commitment="1-year")
    bill = bill_index(footprint_of(32.0), workload, BOOK.over([mine]), target="faiss-ram")
    assert bill.lines[0].usd == Decimal("51.10")
    assert bill.notes[2] == "38 of 39 VM types have no one-year price and were not considered."


def sized(*kinds):
    offers = []
    for number, (cents, size, iops, megabytes) in enumerate(kinds):
        sizes = {
            "bytes_per_unit": Decimal(size),
            "iops_per_unit": Decimal(iops),
            "mb_per_s_per_unit": Decimal(megabytes),
        }
        usd = Decimal(cents) / 100
        offers.append(Price("p", "r", "block_storage", f"k{number}", "disk-month", usd, "2026-01-01", "s", sizes))
    return SizedVolume(tuple(offers))


@settings(max_examples=200, deadline=None)
@given(
    kinds=st.lists(
        st.tuples(st.integers(1, 900), st.integers(1, 50), st.integers(1, 50), st.integers(1, 9)),
        min_size=1,
        max_size=3,
    ),
    size=st.fractions(0, 400),
    reads=st.fractions(0, 300),
    megabytes=st.fractions(0, 30),
    n_volumes=st.integers(1, 4),
)
def test_no_smaller_volume_gives_what_is_needed(kinds, size, reads, megabytes, n_volumes):
    """Counting units up from none, kind by kind, never finds a volume that serves for less."""
    best = None
    for cents, unit_size, iops, unit_megabytes in kinds:
        n = 0
        while n * unit_size < size or n * iops < math.ceil(reads) or n * unit_megabytes < math.ceil(megabytes):
            n += 1
        usd = Fraction(cents * n * n_volumes, 100)
        best = usd if best is None else min(best, usd)
    need = VolumeNeed(*(Decimal(x.numerator) / x.denominator for x in (size, reads, megabytes)))
    (line,) = sized(*kinds).lines(need, n_volumes)
    assert Fraction(line.usd) == best


@settings(max_examples=40, deadline=None)
@given(
    place=st.sampled_from([("gcp", "us-central1"), ("azure", "eastus")]),
    commitment=st.sampled_from(["on-demand", "1-year"]),
    ram=st.integers(1, 2000),
    disk=st.integers(1, 2000),
    more=st.integers(0, 1000),
    qps=st.integers(1, 500),
    n_vectors=st.integers(1, 10**9),
)
def test_more_bytes_or_reads_never_lower_a_bill(place, commitment, ram, disk, more, qps, n_vectors):
    """At GCP and Azure too, more bytes per vector or a higher peak never make either target cheaper."""
    commitment = commitment if place[0] == "gcp" else "on-demand"

    def usd(ram, disk, qps):
        workload = Workload(n_vectors, peak_qps=Decimal(qps), provider=place[0], region=place[1], commitment=commitment)
        return {name: bill.usd_per_month for name, bill in bills(footprint_of(ram, disk), workload, BOOK).items()}

    before = usd(ram, disk, qps)
    for after in (usd(ram + more, disk, qps), usd(ram, disk + more, qps), usd(ram, disk, qps + more)):
        assert all(after[name] >= before[name] for name in before)
