"""A sheet as one self-contained HTML page in the look of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.report import palette
from ragopt.report.page import page_environment
from ragopt.report.sheet import Name, plain

if TYPE_CHECKING:
    from ragopt.report.sheet import Sheet

TEMPLATE = "sheet.html.j2"


def sheet_page(sheet: Sheet) -> str:
    """Give the page as text: no script, nothing fetched, light and dark."""
    environment = page_environment()
    environment.tests["name"] = lambda one: isinstance(one, Name)
    environment.filters["plain"] = plain
    return environment.get_template(TEMPLATE).render(sheet=sheet, palette=palette, twins={})
