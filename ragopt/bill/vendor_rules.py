"""Read the rules of a vendor's bill from its file, beside its prices, and refuse what does not add up.

One file per vendor, `vendors/<name>.toml`; `vendors/README.md` describes every table and key.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import TYPE_CHECKING, cast, get_args

from ragopt.bill.footprint import Scalar
from ragopt.bill.price import VENDORS_FOLDER
from ragopt.bill.price_file import read_prices, read_toml
from ragopt.bill.vendor_limits import LIMITED
from ragopt.bill.vendor_quantities import COUNTED, EACH, FINEST_FIRST
from ragopt.bill.vendor_records import (
    FROM_PRICE,
    Capacity,
    Charge,
    Each,
    Limit,
    Option,
    SoldScalar,
    Tier,
    VendorRules,
    WriteCharge,
    WritePath,
)
from ragopt.bill.vendor_table import Table
from ragopt.bill.vendor_writes import WRITE_COUNTED
from ragopt.errors import PriceError

if TYPE_CHECKING:
    from ragopt.records import Part

MONTHLY_PARTS = ("compute", "memory", "storage", "queries", "egress")
PATHS = ("upsert", "bulk")
PRICE_KEYS = ("schema", "group", "price")


def rules_files() -> list[Traversable]:
    """Every vendor's file, by name."""
    folder = resources.files("ragopt.bill") / "vendors"
    return sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)


def read_rules(file: Traversable) -> VendorRules:
    """Read the rules of one vendor, and check that each price they use is in the file, or is the user's to supply.

    Raises:
        PriceError: naming the file, the table and the key that cannot be used.
    """
    content = read_toml(file)
    name = file.name.removesuffix(".toml")
    shown = f"{VENDORS_FOLDER}/{file.name}"
    top = Table(shown, "", {key: content[key] for key in content if key not in PRICE_KEYS})
    rules = _rules(name, top, {price.item: price.unit for price in read_prices(file)})
    _check(rules, shown)
    return rules


def _rules(name: str, top: Table, priced: Mapping[str, str]) -> VendorRules:
    vendor = top.table("vendor") or Table(top.file, "[vendor]", {})
    memory = top.table("memory")
    latency = top.table("latency")
    supplied = top.table("user_supplied")
    by_user = {} if supplied is None else {item: supplied.text(item) for item in supplied.content}
    capacities = tuple(_capacity(table) for table in top.tables("capacity"))
    optional = {option.item: "hour" for capacity in capacities for option in capacity.options if option.optional}
    rules = VendorRules(
        name=name,
        summary=vendor.text("summary"),
        region=vendor.text("region"),
        compression=vendor.text("compression"),
        assumptions=vendor.texts("assumptions"),
        minimum_item=vendor.text("minimum", ""),
        scalars=tuple(_scalar(table) for table in top.tables("scalar")),
        limits=tuple(_limit(table) for table in top.tables("limit")),
        charges=tuple(_charge(table) for table in top.tables("charge")),
        writes=tuple(_write_path(table) for table in top.tables("write")),
        capacities=capacities,
        user_supplied=MappingProxyType(by_user),
        units=MappingProxyType({**priced, **by_user, **optional}),
        memory_factor=Decimal(1) if memory is None else memory.number("factor", above_zero=True),
        memory_bytes_per_vector=Decimal(0) if memory is None else memory.number("bytes_per_vector"),
        least_latency_ms=None if latency is None else _latency(latency),
    )
    for table in (top, vendor, memory):
        if table is not None:
            table.done()
    return rules


def _latency(table: Table) -> Decimal:
    least = table.number("least_ms", above_zero=True)
    table.text("source")
    table.date("as_of")
    table.done()
    return least


def _scalar(table: Table) -> SoldScalar:
    found = SoldScalar(
        name=cast("Scalar", table.text("name", choices=get_args(Scalar))),
        stored=table.number("stored", above_zero=True),
        queried=table.number("queried", above_zero=True),
        written=table.number("written", above_zero=True),
    )
    table.done()
    return found


def _limit(table: Table) -> Limit:
    found = Limit(
        of=table.text("of", choices=LIMITED),
        most=table.number("most", above_zero=True),
        on_request=table.flag("on_request"),
        source=table.text("source"),
        as_of=table.date("as_of"),
    )
    table.done()
    return found


def _charge(table: Table) -> Charge:
    each = table.table("each")
    found = Charge(
        item=table.text("item"),
        part=cast("Part", table.text("part", choices=MONTHLY_PARTS)),
        what=table.text("what"),
        counts=table.text("counts", choices=COUNTED),
        per=table.number("per", Decimal(1), above_zero=True),
        included=table.number("included", Decimal(0)),
        each=None if each is None else _each(each),
        hours=table.flag("hours"),
        replicas=table.flag("replicas"),
    )
    table.done()
    return found


def _each(table: Table) -> Each:
    found = Each(
        of=table.text("of", choices=EACH),
        tiers=tuple(_tier(tier) for tier in table.tables("tiers")),
        points=table.pairs("points"),
        floor=table.number("floor", Decimal(0)),
        free=table.number("free", Decimal(0)),
        least_per_result=table.number("least_per_result", Decimal(0)),
        times_vector_bytes=table.flag("times_vector_bytes"),
    )
    table.done()
    ends = [tier.up_to for tier in found.tiers]
    if ends and (ends[-1] is not None or None in ends[:-1] or ends[:-1] != sorted({end for end in ends if end})):
        raise PriceError(
            f"{table.where} of {table.file} has tiers that end at {[end and f'{end:f}' for end in ends]}",
            allowed="ascending up_to, none on the last tier alone",
            next_step=f"Correct tiers in {table.file}",
        )
    return found


def _tier(table: Table) -> Tier:
    found = Tier(table.maybe_number("up_to"), table.number("weight"))
    table.done()
    return found


def _write_path(table: Table) -> WritePath:
    free = table.flag("free")
    found = WritePath(
        path=table.text("path", choices=PATHS),
        most_vectors=table.maybe_number("most_vectors"),
        most_bytes=table.maybe_number("most_bytes"),
        charges=tuple(_write_charge(charge) for charge in table.tables("charge")),
    )
    table.done()
    if free == bool(found.charges):
        raise PriceError(
            f"{table.where} of {table.file} has {len(found.charges)} charges and free = {str(free).lower()}",
            allowed="[[write.charge]] entries, or free = true where the vendor does not bill writes",
            next_step=f"Say in {table.file} what these writes cost",
        )
    return found


def _write_charge(table: Table) -> WriteCharge:
    found = WriteCharge(
        item=table.text("item"),
        what=table.text("what"),
        counts=table.text("counts", choices=WRITE_COUNTED),
        per=table.number("per", Decimal(1), above_zero=True),
        least_bytes=table.number("least_bytes", Decimal(0)),
        unit_bytes=table.number("unit_bytes", Decimal(1), above_zero=True),
        least_units=table.number("least_units", Decimal(0)),
        replaced_again=table.flag("replaced_again"),
        replaced_only=table.flag("replaced_only"),
    )
    table.done()
    return found


def _capacity(table: Table) -> Capacity:
    found = Capacity(
        what=table.text("what"),
        options=tuple(_option(option) for option in table.tables("option")),
        most_copies=table.maybe_number("most_copies"),
    )
    table.done()
    return found


def _option(table: Table) -> Option:
    holds = table.table("holds")
    found = Option(
        item=table.text("item"),
        holds=MappingProxyType({} if holds is None else _holds(holds)),
        step=table.number("step", Decimal(1), above_zero=True),
        least=table.number("least", Decimal(1), above_zero=True),
        sizes=table.numbers("sizes"),
        most_replicas=table.maybe_number("most_replicas"),
        most_units=table.maybe_number("most_units"),
        optional=table.flag("optional"),
    )
    table.done()
    return found


def _holds(table: Table) -> dict[str, Decimal | None]:
    found: dict[str, Decimal | None] = {}
    for counted in COUNTED:
        if table.has(counted):
            from_price = table.content[counted] == FROM_PRICE
            found[counted] = None if from_price else table.number(counted, above_zero=True)
    table.done()
    return found


def _check(rules: VendorRules, shown: str) -> None:
    names = [one.name for one in rules.scalars]
    if names[:1] != ["float32"] or names != sorted(set(names), key=FINEST_FIRST.index):
        raise PriceError(f"{shown} stores {', '.join(names) or 'nothing'}",
                         allowed="[[scalar]] entries float32, float16, int8, binary, finest first, float32 among them",
                         next_step=f"Correct the [[scalar]] entries in {shown}")  # fmt: skip
    paths = [one.path for one in rules.writes]
    if "upsert" not in paths or len(paths) != len(set(paths)):
        raise PriceError(f"{shown} has the write paths {', '.join(paths) or 'none'}",
                         allowed="one [[write]] with path upsert, and one with path bulk where it is sold",
                         next_step=f"Correct the [[write]] entries in {shown}")  # fmt: skip
    for item, where in used_items(rules).items():
        if item not in rules.units:
            raise PriceError(f"{where} of {shown} uses the price {item!r}, which is not in the file",
                             allowed=", ".join(sorted(rules.units)) or "no price yet",
                             next_step=f"Add a [[price]] entry with item = {item!r} to {shown}, or name it in "
                             "[user_supplied]")  # fmt: skip


def used_items(rules: VendorRules) -> Mapping[str, str]:
    """Every price that the rules need, with where they use it."""
    used: dict[str, str] = {}
    for charge in rules.charges:
        used.setdefault(charge.item, "[[charge]]")
    for path in rules.writes:
        for write in path.charges:
            used.setdefault(write.item, f"[[write]] {path.path}")
    for capacity in rules.capacities:
        for option in (one for one in capacity.options if not one.optional):
            used.setdefault(option.item, "[[capacity.option]]")
    if rules.minimum_item:
        used.setdefault(rules.minimum_item, "[vendor] minimum")
    return used
