"""The bill of a built index again: today's prices and today's number of rows beside what the run billed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ragopt.bill.footprint import Footprint
from ragopt.bill.targets import bill_index, bills, cheapest
from ragopt.bill.workload import Workload
from ragopt.errors import IndexFormatError, InputError, PriceError
from ragopt.records import IndexBytes
from ragopt.serve.check_records import OtherBill, Repriced

if TYPE_CHECKING:
    from ragopt.bill.price_book import PriceBook
    from ragopt.serve.manifest import Manifest

DAMAGE = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)


def repriced(manifest: Manifest, n_alive: int, book: PriceBook) -> Repriced | str:
    """Bill the index and the run's runners-up today, or say why that cannot be done.

    The number of vectors that the run billed grows or shrinks as the index did since it was measured: a run that billed
    its corpus bills the rows of today, one that billed ten million for a sample bills as many times more.

    Args:
        manifest: of the folder.
        n_alive: vectors that are not deleted.
        book: prices of today.

    Raises:
        IndexFormatError: what the manifest keeps of the bill cannot be read.
    """
    kept = manifest.about.get("check")
    try:
        trials = [_Kept(one) for one in kept["trials"]] if kept else []
    except (InputError, *DAMAGE) as error:
        raise IndexFormatError(f"The manifest's bill cannot be read: {type(error).__name__}: {error}",
                               next_step="Build the index again") from error  # fmt: skip
    own = next((one for one in trials if one.trial == manifest.trial), None)
    if own is None or own.bill is None:
        return "the bill is not compared: the run did not bill this trial"
    if not n_alive:
        return "the bill is not compared: the index is empty"
    same_size, why_not = _usd(own, own.workload, book)
    now, why_not_now = _usd(own, own.grown(n_alive), book)
    return Repriced(
        target=own.target,
        kept_usd_per_month=Decimal(own.bill["usd_per_month"]),
        kept_on=str(dict(manifest.about.get("run") or {}).get("billed_on") or ""),
        same_size_usd_per_month=same_size,
        usd_per_month=now,
        why_not=why_not_now or why_not,
        n_vectors_then=own.workload.n_vectors,
        n_vectors_now=own.grown(n_alive).n_vectors,
        others=_others(trials, own, n_alive, book),
    )


class _Kept:
    """A trial as `ragopt.serve.check_material` kept it, read back."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        sizes = value["footprint"]["index_bytes"]
        self.trial = str(value["trial"])
        self.footprint = Footprint(**{**value["footprint"], "index_bytes": IndexBytes(**sizes)})
        self.workload = Workload.from_json(value["workload"])
        self.target = str(value["target"])
        self.bill: Mapping[str, Any] | None = value["bill"]

    def grown(self, n_alive: int) -> Workload:
        """The workload at today's size."""
        n = round(self.workload.n_vectors * n_alive / self.footprint.n_vectors_measured)
        return replace(self.workload, n_vectors=max(n, 1))


def _usd(kept: _Kept, workload: Workload, book: PriceBook) -> tuple[Decimal | None, str]:
    """The bill at the target that the run chose, or why there is none."""
    try:
        return bill_index(kept.footprint, workload, book, target=kept.target).usd_per_month, ""
    except (InputError, PriceError) as error:
        return None, error.failed


def _others(trials: list[_Kept], own: _Kept, n_alive: int, book: PriceBook) -> tuple[OtherBill, ...]:
    """The index at the other targets that a sweep chooses among, and each runner-up at its cheapest of them."""
    found = []
    for one in trials:
        try:
            by_target = bills(one.footprint, one.grown(n_alive), book)
        except (InputError, PriceError):
            continue  # its own line says why the built trial has no bill; a runner-up without one is not cheaper
        if one is own:
            found += [OtherBill(one.trial, name, bill.usd_per_month) for name, bill in by_target.items()
                      if name != own.target]  # fmt: skip
        elif by_target:
            best = cheapest(by_target)
            found.append(OtherBill(one.trial, best.target, best.usd_per_month))
    return tuple(sorted(found, key=lambda other: (other.usd_per_month, other.trial, other.target)))
