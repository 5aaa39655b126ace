"""All served rows by name, ragopt's first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import serve_graphs
from serve_lancedb import LanceDB
from serve_ragopt import Ragopt

if TYPE_CHECKING:
    from serve_row import Row


def all_rows() -> dict[str, Row]:
    """Rows in the order in which they are built."""
    return {row.name: row for row in (Ragopt(), LanceDB(), *serve_graphs.rows())}


def row_named(name: str) -> Row:
    """One row."""
    return all_rows()[name]
