"""A real Chromium for tests of pages: opened once a test file, offline, with everything that goes wrong kept."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REQUIRED = "RAGOPT_REQUIRE_BROWSER"
"""Set where a browser must be there: its absence is then a failure instead of a skipped test."""


def chromium() -> str:
    """Where Chromium is; skips the test where there is none, and fails it where there must be one."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = f"no browser among {', '.join(NAMES)}: install the package chromium"
        if os.environ.get(REQUIRED):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - loaded when a browser is wanted

    with sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that containers do not give; the pages are ours.
        one = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            yield one
        finally:
            one.close()


@dataclass
class Opened:
    """A page with what it asked for and complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def opened(one: Browser, file: Path, **context: Any) -> Iterator[Opened]:
    """Open a file in a new window; `context` is playwright's: viewport, color_scheme."""
    window = one.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
    window.set_default_timeout(10_000)
    found = Opened(window.new_page())
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
    found.page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
    found.page.on("dialog", lambda dialog: (found.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    found.page.goto(file.as_uri())
    try:
        yield found
    finally:
        window.close()


def accessibility_violations(page: Page) -> list[str]:
    """What axe-core finds wrong by WCAG 2.2 A and AA and by its best practices, one line each."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - loaded when a browser is wanted

    results = Axe().run(page)
    return [
        f"{found['id']}: {found['help']}: {[node['html'][:160] for node in found['nodes'][:3]]}"
        for found in results.response["violations"]
    ]
