"""One line of reasoning for a bill: what most of it pays for, and what would make it less."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ragopt.records import Bill, BillLine

COMPRESSION = "Compression: "
"""How a target's note begins that says what compression is worth there."""

CONSENT = "Needs the vendor's consent"
"""How a vendor's note begins that names a limit which it raises on request."""

UNSIZED = "The peak load is not sized"
"""How a vendor's note begins where the bill neither counts queries nor buys capacity for them."""


def needs_consent(bill: Bill) -> bool:
    """Say whether a bill is for a size that the vendor sells on request only."""
    return any(note.startswith(CONSENT) for note in bill.notes)


def largest_part(lines: Iterable[BillLine]) -> tuple[str, int]:
    """Return the part that costs most and its share of the lines in percent; of no lines, an empty name and 0."""
    parts: dict[str, Decimal] = {}
    for line in lines:
        parts[line.part] = parts.get(line.part, Decimal(0)) + line.usd
    if not any(parts.values()):
        return "", 0
    name, usd = max(parts.items(), key=lambda item: (item[1], item[0]))
    return name, round(100 * usd / sum(parts.values()))


def reason_of(bill: Bill) -> str:
    """Say what most of a bill pays for and what compression is worth at its target."""
    name, percent = largest_part(bill.lines)
    spent = f"{percent} % {name}" if name else "nothing to pay"
    worth = next((note.removeprefix(COMPRESSION) for note in bill.notes if note.startswith(COMPRESSION)), "")
    return f"{spent}; {worth}" if worth else spent
