"""Rebuilding an index that one serves oneself: hours of a VM, as often as it is re-indexed or re-embedded."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ragopt.bill.lines import make_line, without_zeros

if TYPE_CHECKING:
    from ragopt.bill.footprint import Footprint
    from ragopt.bill.price import Price
    from ragopt.bill.workload import Workload
    from ragopt.records import BillLine

NOT_MEASURED = "Build time was not measured, so rebuilds are not on this bill: sweep the corpus, then bill the run."


def rebuild_lines(footprint: Footprint, workload: Workload, instance: Price) -> tuple[BillLine, ...]:
    """Bill the rebuilds of a month on one more VM of a type; empty without rebuilds or without a measured time.

    hours = (reindexes_per_month + reembeddings_per_month) x build_seconds / 3600 x n_vectors / n_vectors_measured.
    Linear in the vectors: an approximation, exact for encoding and adding, too high for training, whose sample and
    k-means do not grow past a bound. Build time is one thread's on the machine that measured, so a VM of several cores
    that builds with all of them takes fewer hours: an upper bound. The finished file is copied to every replica, so
    replicas do not multiply it.

    Args:
        footprint: the measured index, with `build_seconds`.
        workload: how often it is rebuilt, and at what size.
        instance: price of the VM type per hour.
    """
    rebuilds = workload.reindexes_per_month + workload.reembeddings_per_month
    if not rebuilds or footprint.build_seconds is None:
        return ()
    hours = Decimal(str(footprint.build_seconds)) / 3600 * workload.n_vectors / footprint.n_vectors_measured
    return without_zeros(
        [
            make_line(
                f"Index rebuilds: {rebuilds:f} a month on one more {instance.item}, {hours:,.2f} hours each",
                rebuilds * hours,
                instance,
                part="rebuild",
                formula="(reindexes_per_month + reembeddings_per_month) x measured build seconds of one thread / 3,600 "
                f"x {workload.n_vectors:,} / {footprint.n_vectors_measured:,} vectors",
            )
        ]
    )


def rebuild_note(footprint: Footprint, workload: Workload) -> str:
    """Say that rebuilds were asked for but cannot be billed; empty when there is nothing to say."""
    asked = workload.reindexes_per_month + workload.reembeddings_per_month
    return NOT_MEASURED if asked and footprint.build_seconds is None else ""
