"""A comparison as a sheet: every figure as text, once for all forms."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import ragopt
from ragopt.report.comparison_words import headline, latency_sentence, listed, percent, sentences, signed, signed_usd
from ragopt.report.sheet import Column, Grid, Mood, Row, Section, Sentence, Sheet
from ragopt.report.words import bytes_text, decimal_text, interval_text, latency_text, usd_text, value_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ragopt.compare.records import BillChange, Changed, Comparison, LineChange, QualityChange, Side, SizeChange
    from ragopt.measure.intervals import Interval
    from ragopt.records import BillLine

NONE = "none"
"""A cell of what a run does not have."""

SIZE_TITLES = {
    "ram_bytes_per_vector": "RAM per vector",
    "ram_fixed_bytes": "RAM, fixed",
    "disk_bytes_per_vector": "disk per vector",
    "file_bytes": "index file",
}


def comparison_sheet(found: Comparison) -> Sheet:
    """Lay a comparison out."""
    sections = (_quality(found), _bill(found.bill), _sizes(found), _sides(found), _inputs(found))
    return Sheet(
        "ragopt compare",
        headline(found),
        "bad" if found.failures else "good",
        sentences(found),
        sections,
        f"ragopt {ragopt.__version__}",
    )


def _quality(found: Comparison) -> Section:
    # What changed comes first: a phone shows two columns.
    columns = (Column("Quality", names=True), Column("B - A [95 %]", numeric=True), Column("Change"),
               Column("A [95 %]", numeric=True), Column("B [95 %]", numeric=True), Column("Queries"))  # fmt: skip
    rows = tuple(row for one in found.quality for row in _quality_rows(one))
    pairing = found.pairing
    told: list[Sentence] = []
    if pairing.reason:
        told.append((f"The runs cannot be paired: {pairing.reason}.",))
    else:
        beside = f"of the {pairing.n_a:,} of A and {pairing.n_b:,} of B that the recommendations were measured on"
        told.append((f"{pairing.n_common:,} queries are in both runs, {beside}.",))
    told += _grouped([(f"not compared: {one.reason}.", one.name) for one in found.quality if one.reason])
    told += _grouped([(note, one.name) for one in found.quality for note in one.notes])
    told.append(("In brackets: 95 % intervals. A quality fell where all of its interval lies below zero.",))
    if any(one.over_all for one in found.quality):
        told.append(
            ("Where queries are in one run only, a second row is over all: a quality fell where either row did.",)
        )
    return Section("quality", "Quality", (Grid("quality-table", "", columns, rows),), tuple(told))


def _grouped(said: list[tuple[str, str]]) -> list[Sentence]:
    """Say what holds for several qualities once, their names before it."""
    names: dict[str, list[str]] = {}
    for text, name in said:
        names.setdefault(text, []).append(name)
    return [(*listed(one), f": {text}") for text, one in names.items()]


def _quality_rows(one: QualityChange) -> list[Row]:
    a, b = (f"{value_text(side.value)} {interval_text(side)}" if side else NONE for side in (one.a, one.b))
    both = " and ".join(f"{side.n_queries:,}" for side in (one.a, one.b) if side)
    if one.difference is None:
        return [Row((one.name, "", "not comparable", a, b, both))]
    gaps = [(one.difference, f"{one.difference.n:,} paired" if one.paired else f"{both}, unpaired")]
    if one.over_all is not None:
        gaps.append((one.over_all, f"{both}, unpaired"))
    return [_gap_row(one.name, gap, a, b, queries) for gap, queries in gaps]


def _gap_row(name: str, gap: Interval, a: str, b: str, queries: str) -> Row:
    text = f"{signed(gap.value)} [{signed(gap.low)}, {signed(gap.high)}]"
    mood: Mood = "bad" if gap.high < 0 else "good" if gap.low > 0 else ""
    change = {"bad": "fell", "good": "rose", "": "no change seen"}[mood]
    return Row((name, text, change, a, b, queries), mood)


def _money() -> tuple[Column, ...]:
    return tuple(Column(title, numeric=True) for title in ("A, USD", "B, USD", "B - A, USD"))


def _bill(bill: BillChange) -> Section:
    grids = [_parts(bill), _lines(bill.lines)]
    if bill.prices:
        columns = (Column("Price of", names=True), Column("Target", names=True),
                   *(Column(side, names=True) for side in ("A", "B", "A, source", "B, source")))  # fmt: skip
        rows = tuple(
            Row((one.item, one.target, _price(one.a), _price(one.b), one.a.source, one.b.source)) for one in bill.prices
        )
        grids.append(Grid("prices-table", "Unit prices that changed", columns, rows, folded=True))
    if bill.workload:
        grids.append(_changed("workload-table", "Fields of the workload that changed", bill.workload))
    told: list[Sentence] = [] if bill.prices else [("No unit price of what both bills name changed.",)]
    if not bill.workload:
        told.append(("Both bill the same workload.",))
    return Section("bill", "Bill a month", tuple(grids), tuple(told))


def _price(line: BillLine) -> str:
    return f"{decimal_text(line.usd_per_unit)} per {line.unit}, {line.as_of}"


def _usd_row(cells: tuple[str, ...], a: Decimal, b: Decimal) -> Row:
    return Row((*cells, usd_text(a), usd_text(b), signed_usd(b - a)))


def _parts(bill: BillChange) -> Grid:
    rows = [_usd_row((one.part,), one.a, one.b) for one in bill.parts]
    mood: Mood = "bad" if bill.rose else "sum"
    share = percent(bill.increase, bill.a)
    change = f"{signed_usd(bill.increase)}{f' ({share})' if share else ''}"
    rows.append(Row(("sum", usd_text(bill.a), usd_text(bill.b), change), mood))
    rows.append(_usd_row(("saving against float32",), bill.saving_a, bill.saving_b))
    if bill.shared_a is not None and bill.shared_b is not None:
        rows.append(_usd_row(("besides, at every target (not in the sum)",), bill.shared_a, bill.shared_b))
    return Grid("bill-table", "", (Column("Part"), *_money()), tuple(rows))


def _lines(lines: tuple[LineChange, ...]) -> Grid:
    columns = (Column("Line", names=True), Column("A", names=True), Column("B", names=True), *_money())
    rows = tuple(
        _usd_row((one.item, _line(one.a), _line(one.b)), *(line.usd if line else Decimal(0) for line in (one.a, one.b)))
        for one in lines
    )
    return Grid("lines-table", "Line by line", columns, rows, folded=True)


def _line(line: BillLine | None) -> str:
    if line is None:
        return NONE
    rest = line.item.partition(":")[2].strip()
    return f"{decimal_text(line.quantity)} {line.unit} x {decimal_text(line.usd_per_unit)}{f': {rest}' if rest else ''}"


def _sizes(found: Comparison) -> Section:
    columns = (Column("Place"), Column("A", numeric=True), Column("B", numeric=True), Column("B - A", numeric=True))
    rows = tuple(_size_row(one) for one in found.sizes)
    return Section("bytes", "Bytes of the recommended index", (Grid("bytes-table", "", columns, rows),))


def _size_row(one: SizeChange) -> Row:
    gap = one.b - one.a
    sign = "+" if gap > 0 else ""
    return Row((SIZE_TITLES[one.name], bytes_text(one.a), bytes_text(one.b), f"{sign}{bytes_text(gap)}"))


def _sides(found: Comparison) -> Section:
    columns = (Column("Fact"), Column("A", names=True), Column("B", names=True))
    rows = [
        Row((name, *values)) for name, *values in zip(*(_side(one) for one in (None, found.a, found.b)), strict=True)
    ]
    return Section("sides", "What is compared", (Grid("sides-table", "", columns, tuple(rows)),),
                   (latency_sentence(found.a, found.b),))  # fmt: skip


def _side(side: Side | None) -> tuple[str, ...]:
    """The facts of one run, or their titles."""
    if side is None:
        return ("run", "swept by ragopt", "billed on", "model and space", "factory", "search", "target", "bill a month",
                "limits", "figures", "latency", "processor")  # fmt: skip
    decision, trial, bill = side.decision, side.decision.trial, side.decision.bill
    return (
        side.folder,
        side.ragopt_version or NONE,
        side.billed_on or NONE,
        str(trial.space),
        trial.factory,
        trial.search or NONE,
        decision.target,
        f"USD {usd_text(bill.usd_per_month)} [{usd_text(bill.low)}, {usd_text(bill.high)}]",
        "met" if side.fits else "not met: the closest trial",
        ("measured" if decision.confirmed else "estimated") + (", synthetic queries" * decision.synthetic_queries),
        latency_text(decision.latency),
        side.cpu or NONE,
    )


def _inputs(found: Comparison) -> Section:
    if not found.inputs:
        return Section("inputs", "Inputs", (), (("Nothing else that run.json tells of the inputs differs.",),))
    n = len(found.inputs)
    title = f"{n} values of run.json that differ" if n > 1 else "One value of run.json that differs"
    grid = _changed("inputs-table", title, found.inputs, folded=True)
    return Section("inputs", "Inputs that changed", (grid,))


def _changed(name: str, title: str, changes: Iterable[Changed], *, folded: bool = False) -> Grid:
    columns = (Column("Field", names=True), Column("A", names=True), Column("B", names=True))
    rows = tuple(Row((one.name, NONE if one.a is None else one.a, NONE if one.b is None else one.b)) for one in changes)
    return Grid(name, title, columns, rows, folded)
