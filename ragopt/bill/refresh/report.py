"""What a refresh did, in words and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragopt.bill.refresh.outcome import Outcome
    from ragopt.bill.refresh.refreshing import RefreshReport

REASONS = {"kept": "the page is of an earlier date than the book"}


def refresh_lines(report: RefreshReport) -> list[str]:
    """Write one line per price and per file, and a count for each API; failures are not in it."""
    lines = []
    for api, outcomes in report.outcomes.items():
        lines += [_line(one) for one in outcomes]
        counts = {status: sum(one.status == status for one in outcomes)
                  for status in ("changed", "confirmed", "kept", "refused")}  # fmt: skip
        told = ", ".join(f"{n} {status}" for status, n in counts.items())
        lines.append(f"{api}: {told if outcomes else 'the book has no price that its pages could renew'}")
    n_asked = sum(map(len, report.outcomes.values()))
    if n_asked < report.n_prices:
        lines.append(f"{report.n_prices - n_asked} of the book's {report.n_prices} prices are on no page that was read")
    verb = "would be written" if report.dry_run else "written"
    return [*lines, *(f"{path}: {verb}" for path in report.files)]


def refresh_json(report: RefreshReport) -> dict[str, Any]:
    """Return a report as JSON; money as decimal strings."""
    return {
        "schema": 1,
        "dry_run": report.dry_run,
        "whole": report.is_whole,
        "n_prices": report.n_prices,
        "apis": {
            **{api: {"prices": [_json(one) for one in outcomes]} for api, outcomes in report.outcomes.items()},
            **{api: {"failed": message} for api, message in report.failures.items()},
        },
        "files": [str(path) for path in report.files],
    }


def _line(one: Outcome) -> str:
    book = one.book
    name = f"{book.provider} {book.region} {book.group} {book.item}"
    if one.refusal is not None:
        return f"refused    {one.refusal.sentence}"
    if one.new is None:
        return f"{one.status:<9}  {name}: {book.usd:f} USD per {book.unit} of {book.as_of}, {REASONS[one.status]}"
    was = f"{book.usd:f} -> " if one.status == "changed" else ""
    return f"{one.status:<9}  {name}: {was}{one.new.usd:f} USD per {book.unit} as of {one.new.as_of}"


def _json(one: Outcome) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "status": one.status,
        **{name: getattr(one.book, name) for name in ("provider", "region", "group", "item", "unit")},
        "usd_before": f"{one.book.usd:f}",
        "as_of_before": one.book.as_of,
    }
    if one.new is not None:
        entry |= {"usd": f"{one.new.usd:f}", "as_of": one.new.as_of, "source": one.new.source}
    if one.refusal is not None:
        entry |= {
            "page": one.refusal.page,
            "field": one.refusal.field,
            "found": one.refusal.found,
            "allowed": one.refusal.allowed,
        }
    return entry
