"""The price files of the package: complete, plausible, equal to the collected facts, and enough for a bill."""

import csv
import datetime as dt
import itertools
import os
import re
from collections import Counter
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pytest

from ragopt.bill.price_book import PriceBook

BOOK = PriceBook.packaged()
GIB = 2**30
# The day on which the youngest of these prices was read.
LAST_READ = dt.date(2026, 11, 26)

UNITS = {
    "vms": {"hour"},
    "gpu_vms": {"hour"},
    "vms_1_year": {"hour"},
    "spot": {"hour"},
    "block_storage": {"GB-month", "GiB-month", "IOPS-month", "MB/s-month", "disk-month"},
    "object_storage": {"GB-month", "GiB-month", "1k requests", "GB", "GiB"},
    "network": {"GB", "GiB"},
    "rerankers": {"search", "1M tokens"},
    "token_prices": {"1M input tokens"},
}
# Coldest last.
TIERS = {
    "aws": ("s3-standard", "s3-standard-ia", "s3-one-zone-ia", "s3-glacier-instant", "s3-glacier-flexible",
            "s3-deep-archive"),
    "gcp": ("gcs-standard", "gcs-nearline", "gcs-coldline", "gcs-archive"),
    "azure": ("azure-hot", "azure-cool", "azure-cold", "azure-archive"),
    "cloudflare": ("r2-standard", "r2-infrequent"),
}  # fmt: skip
PLACES = {"aws": "us-east-1", "gcp": "us-central1", "azure": "eastus", "cloudflare": "global"}


def of(group):
    return [price for price in BOOK if price.group == group]


def named(group):
    return {(price.provider, price.region, price.item): price for price in of(group)}


def test_the_package_has_these_files_and_no_others():
    """Each group has one file, found as a resource of the package, and each has prices in the units it promises."""
    names = {file.name for file in (resources.files("ragopt.bill") / "prices").iterdir() if file.name.endswith("toml")}
    assert names == {f"{group}.toml" for group in UNITS}
    for group, units in UNITS.items():
        assert {price.unit for price in of(group)} == units
    assert Counter(price.provider for price in of("vms")) == {"aws": 39, "gcp": 15, "azure": 12}


def test_every_price_names_a_page_and_a_day():
    """A source is an address, a day is not in the future, and a figure without a date of its own says so."""
    for group in UNITS:
        for price in of(group):
            assert price.source.startswith("https://")
            assert dt.date(2024, 1, 1) < dt.date.fromisoformat(price.as_of) <= LAST_READ
            if price.as_of >= "2026-11-01":
                assert price.undated
                assert re.search("undated|without a year", price.caution), price


def test_a_price_is_undated_where_its_caution_says_that_the_day_is_that_of_reading():
    """51 of the package's prices: all that were read on a page without a date, vendors' among them, and no others."""
    said = {p for p in BOOK if re.search(r"(undated|without a year).* read on that day|carries no date", p.caution)}
    assert {price for price in BOOK if price.undated} == said
    assert len(said) == 51


def test_sizes_that_bills_need_are_there():
    """VMs have vCPU, RAM and local NVMe, GPU types their GPUs, bytes their unit, archives their least days."""
    for price in of("vms"):
        assert set(price.attributes) == {"vcpu", "ram_gib", "nvme_gb"}
        assert price.attribute("vcpu") >= 1
    for price in of("gpu_vms"):
        assert set(price.attributes) == {"vcpu", "ram_gib", "gpus"}
    for price in (*of("object_storage"), *of("network")):
        in_bytes = price.unit.startswith(("GB", "GiB"))
        assert in_bytes == ("bytes_per_unit" in price.attributes)
        if price.unit.startswith("GiB") or price.provider == "aws":
            assert not in_bytes or price.attribute("bytes_per_unit") == GIB
    days = {p.item: int(p.attributes.get("min_days", 0)) for p in of("object_storage") if p.item.endswith("-storage")}
    assert [days[f"{tier}-storage"] for tiers in TIERS.values() for tier in tiers] == [
        0, 30, 30, 90, 90, 180, 0, 30, 90, 365, 0, 30, 90, 180, 0, 30
    ]  # fmt: skip


def test_every_tier_has_the_prices_that_are_known():
    """Storage, puts, gets and retrieval of 16 tiers, but for what is free and the two that no page states.

    With the other speeds of reading S3's archives that are billed: Flexible's expedited and Deep Archive's bulk.
    """
    expected = {f"{t}-{part}" for ts in TIERS.values() for t in ts for part in ("storage", "put", "get", "retrieval")}
    free = {f"{tier}-retrieval" for tier in ("s3-standard", "gcs-standard", "azure-hot", "r2-standard")}
    unknown = {"gcs-coldline-put", "gcs-archive-put"}
    speeds = {"s3-glacier-flexible-get-expedited", "s3-glacier-flexible-retrieval-expedited",
              "s3-deep-archive-get-bulk", "s3-deep-archive-retrieval-bulk"}  # fmt: skip
    assert {price.item for price in of("object_storage")} == (expected - free - unknown) | speeds


def test_colder_tiers_store_for_less_and_read_for_no_less():
    """Down each provider's tiers the stored GB gets cheaper; a request and a retrieved GB never do below the next."""
    for provider, tiers in TIERS.items():
        place = (provider, PLACES[provider], "object_storage")
        storage = [BOOK.price(*place, f"{tier}-storage").usd for tier in tiers]
        gets = [BOOK.price(*place, f"{tier}-get").usd for tier in tiers]
        assert all(cold < warm for warm, cold in itertools.pairwise(storage))
        assert all(cold >= warm for warm, cold in itertools.pairwise(gets))


def test_committed_and_spot_prices_stand_to_on_demand_as_they_should():
    """A committed hour costs 30 to 75 % of an on-demand one; spot never more than 1.7 times it, mostly under 70 %."""
    on_demand = {**named("vms"), **named("gpu_vms")}
    for key, price in named("vms_1_year").items():
        assert Decimal("0.30") < price.usd / on_demand[key].usd < Decimal("0.75")
        assert abs(price.usd * 730 - price.attribute("usd_per_month")) < Decimal("0.00001")
    shares = [price.usd / on_demand[key].usd for key, price in named("spot").items()]
    assert all(0 < share < Decimal("1.7") for share in shares)
    assert sum(share < Decimal("0.7") for share in shares) > 0.9 * len(shares)
    for price in of("spot"):
        if price.provider == "aws":
            low, high = price.attribute("interruption_percent_low"), price.attribute("interruption_percent_high")
            assert (low, high) in {(0, 5), (5, 10), (10, 15), (15, 20), (20, 100)}
            assert price.caution.startswith("an estimate")


# Service in the collected table -> provider and groups.
SERVICES = {
    "EC2 on-demand Linux": ("aws", "vms gpu_vms"),
    "EC2 spot Linux (estimate)": ("aws", "spot"),
    "Compute on-demand": ("gcp", "vms gpu_vms"),
    "Compute spot": ("gcp", "spot"),
    "VM on-demand Linux": ("azure", "vms gpu_vms"),
    "VM spot Linux": ("azure", "spot"),
}
# Fact's item -> our item and how many of the fact's unit ours is.
STORED = {
    "gp3 storage": ("gp3-storage", 1),
    "gp3 IOPS above 3000": ("gp3-iops", 1),
    "gp3 throughput above 125 MB/s": ("gp3-throughput", 1),
    "pd-ssd": ("pd-ssd", 1),
    "pd-balanced": ("pd-balanced", 1),
    "Premium SSD P4 32 GiB LRS": ("premium-ssd-p4", 1),
    "Premium SSD P10 128 GiB LRS": ("premium-ssd-p10", 1),
    "Standard storage first 50 TB": ("s3-standard-storage", 1),
    "Standard-IA storage": ("s3-standard-ia-storage", 1),
    "One Zone-IA storage": ("s3-one-zone-ia-storage", 1),
    "Glacier Instant Retrieval storage": ("s3-glacier-instant-storage", 1),
    "Glacier Flexible Retrieval storage": ("s3-glacier-flexible-storage", 1),
    "Glacier Deep Archive storage": ("s3-deep-archive-storage", 1),
    "Standard PUT/COPY/POST/LIST": ("s3-standard-put", 1),
    "Standard GET/SELECT": ("s3-standard-get", 1),
    "Standard-IA PUT": ("s3-standard-ia-put", 1),
    "Standard-IA GET": ("s3-standard-ia-get", 1),
    "Standard-IA retrieval": ("s3-standard-ia-retrieval", 1),
    "One Zone-IA retrieval": ("s3-one-zone-ia-retrieval", 1),
    "Glacier Flexible PUT": ("s3-glacier-flexible-put", 1),
    "Glacier Flexible retrieval standard": ("s3-glacier-flexible-retrieval", 1),
    "Deep Archive PUT": ("s3-deep-archive-put", 1),
    "Deep Archive retrieval standard": ("s3-deep-archive-retrieval", 1),
    "Deep Archive retrieval bulk": ("s3-deep-archive-retrieval-bulk", 1),
    "Glacier Flexible retrieval expedited": ("s3-glacier-flexible-retrieval-expedited", 1),
    "Glacier Instant retrieval": ("s3-glacier-instant-retrieval", 1),
    "Internet egress first 10 TB": ("internet-egress", 1),
    "Cross-AZ (intra-region), each direction": ("cross-zone", 2),
    "Standard storage regional": ("gcs-standard-storage", 1),
    "Nearline storage regional": ("gcs-nearline-storage", 1),
    "Coldline storage regional": ("gcs-coldline-storage", 1),
    "Archive storage regional": ("gcs-archive-storage", 1),
    "Standard class A ops (PUT/LIST)": ("gcs-standard-put", 1),
    "Nearline class A ops (PUT/LIST)": ("gcs-nearline-put", 1),
    "Standard class B ops (GET)": ("gcs-standard-get", 1),
    "Nearline class B ops (GET)": ("gcs-nearline-get", 1),
    "Coldline class B ops (GET)": ("gcs-coldline-get", 1),
    "Archive class B ops (GET)": ("gcs-archive-get", 1),
    "Nearline retrieval": ("gcs-nearline-retrieval", 1),
    "Coldline retrieval": ("gcs-coldline-retrieval", 1),
    "Archive retrieval": ("gcs-archive-retrieval", 1),
    "Internet egress 0-1 TB premium tier": ("internet-egress", 1),
    "Hot storage first 50 TB": ("azure-hot-storage", 1),
    "Cool storage first 50 TB": ("azure-cool-storage", 1),
    "Cold storage first 50 TB": ("azure-cold-storage", 1),
    "Cool retrieval": ("azure-cool-retrieval", 1),
    "Cold retrieval": ("azure-cold-retrieval", 1),
    "Archive standard rehydrate retrieval": ("azure-archive-retrieval", 1),
    "Hot write ops": ("azure-hot-put", "0.1"),
    "Hot read ops": ("azure-hot-get", "0.1"),
    "Cool write ops": ("azure-cool-put", "0.1"),
    "Cool read ops": ("azure-cool-get", "0.1"),
    "Standard storage": ("r2-standard-storage", 1),
    "Infrequent Access storage": ("r2-infrequent-storage", 1),
    "Class A ops": ("r2-standard-put", "0.001"),
    "Class B ops": ("r2-standard-get", "0.001"),
    "IA class A ops": ("r2-infrequent-put", "0.001"),
    "IA class B ops": ("r2-infrequent-get", "0.001"),
    "IA retrieval": ("r2-infrequent-retrieval", 1),
}


def facts(name):
    shared = os.environ.get("RAGOPT_SHARED")
    if not shared:
        pytest.skip("RAGOPT_SHARED is not set")
    file = Path(shared) / "facts" / "prices" / name
    if not file.is_file():
        pytest.skip(f"{name} is not there")
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_vm_prices_are_the_collected_ones():
    """Every VM price but those of the four .medium types is a row of the collected table, to the last digit."""
    rows = {}
    for row in facts("vms.csv"):
        if row["service"] in SERVICES:
            provider, groups = SERVICES[row["service"]]
            for group in groups.split():
                rows[provider, row["region"], group, row["item"]] = row
    ours = [price for group in ("vms", "gpu_vms", "spot") for price in of(group) if not price.item.endswith(".medium")]
    for price in ours:
        row = rows[price.provider, price.region, price.group, price.item]
        assert price.usd == Decimal(row["usd"])
        assert price.unit == row["unit"]
        assert price.as_of in row["as_of"] or "undated" in row["as_of"]
    for key, price in named("vms_1_year").items():
        row = rows[*key[:2], "vms", key[2]]
        assert f"1y_month={price.attribute('usd_per_month')};" in row["notes"]
    assert len(ours) == 170


def test_storage_and_traffic_prices_are_the_collected_ones():
    """Each price of a volume, an object or traffic has the collected figure, but for those named at the end."""
    ours = {(p.provider, p.item): p for group in ("block_storage", "object_storage", "network") for p in of(group)}
    seen = set()
    for row in (*facts("block_storage.csv"), *facts("object_storage.csv")):
        item, factor = STORED.get(row["item"], ("", 1))
        if item:
            price = ours[row["provider"].lower(), item]
            assert price.usd == Decimal(row["usd"]) * Decimal(factor), row
            seen.add((price.provider, item))
    # No row, several figures in one, a sum of two, a conflict, or a figure that a page contradicts (P30).
    assert {item for _, item in set(ours) - seen} == {
        "premium-ssd-p20", "premium-ssd-p30", "s3-one-zone-ia-put", "s3-one-zone-ia-get", "s3-glacier-instant-put",
        "s3-glacier-instant-get", "s3-glacier-flexible-get", "s3-glacier-flexible-get-expedited", "s3-deep-archive-get",
        "s3-deep-archive-get-bulk", "azure-archive-storage",
        "azure-cold-put", "azure-cold-get", "azure-archive-put", "azure-archive-get", "cross-zone",
    }  # fmt: skip


def test_reranker_prices_are_the_collected_ones():
    """Every reranker is a row of the collected table; Google's two stand for its pattern."""
    rows = {row["item"]: row for row in facts("rerankers.csv")}
    for price in of("rerankers"):
        row = rows.get(price.item) or rows["semantic-ranker-*"]
        assert (price.usd, price.unit) == (Decimal(row["usd"]), row["unit"])
    assert len(of("rerankers")) == len(rows) + 1
