"""The page of a comparison in a real browser: nothing fetched, accessible, inside the screen."""

import pytest

from tests.browser import accessibility_violations, browser, opened
from tests.cli import ragopt, small_sweep


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of two sweeps of the tiny corpus with other objectives."""
    folder = tmp_path_factory.mktemp("compared")
    for name, objective in (("a", "usd"), ("b", "ram")):
        done = ragopt(*small_sweep(folder, "--out", folder / name, "--objective", objective))
        assert done.returncode == 0, done.stderr
    done = ragopt("compare", folder / "a", folder / "b", "--html", folder / "compared.html")
    assert done.returncode in (0, 4), done.stderr
    return folder / "compared.html"


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests here."""
    with browser() as one:
        yield one


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_page_is_accessible_and_fits_the_screen(chromium, page, scheme, width):
    """On a desktop and a phone, light and dark, nothing overflows, nothing is fetched, and axe-core finds nothing."""
    with opened(chromium, page, viewport={"width": width, "height": 900}, color_scheme=scheme) as found:
        found.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert accessibility_violations(found.page) == []
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width
        assert found.requests == [found.page.url]
        assert found.complaints == []
