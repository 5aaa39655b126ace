"""The page of a run with caches in a real browser: accessible, and nothing too wide."""

import pytest

from ragopt.report.page import write_page
from tests.browser import accessibility_violations, browser, opened
from tests.cache_example import with_example_cache
from tests.report_example import example_run
from tests.test_report_cache_figures import NAMES

SIZES = {"wide": (1280, "light"), "phone": (390, "dark"), "zoomed": (320, "light")}


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests here."""
    with browser() as one:
        yield one


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The page of the example run with the example advice."""
    found = tmp_path_factory.mktemp("cache") / "report.html"
    write_page(with_example_cache(example_run()), found)
    return found


@pytest.mark.parametrize("size", SIZES)
def test_the_section_is_accessible_and_fits_the_screen(chromium, file, size):
    """On desktop and phone, light and dark, with every table open: axe finds nothing, no page scrolls sideways."""
    width, scheme = SIZES[size]
    with opened(chromium, file, viewport={"width": width, "height": 800}, color_scheme=scheme) as found:
        page = found.page
        page.evaluate("document.querySelectorAll('#caches details').forEach(one => { one.open = true; })")
        assert accessibility_violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        kind = "wide" if width > 640 else "narrow"
        for name in NAMES:
            picture = page.locator(f"#{name}-figure .{kind} svg")
            assert picture.is_visible()
            assert picture.bounding_box()["width"] <= width
        assert found.complaints == []
        assert found.requests == [page.url]


def test_the_section_fits_the_paper(chromium, file):
    """In print on A4 (717 px between Chromium's margins) no table, line or picture of it is wider than the paper."""
    wider = """width => [...document.querySelectorAll("#caches :is(table, td, th, p, li, svg)")].filter(one => {
        const box = one.getBoundingClientRect();
        return box.right > width + 1 || (one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0);
    }).map(one => one.id || one.outerHTML.slice(0, 80))"""
    with opened(chromium, file, viewport={"width": 717, "height": 1000}) as found:
        found.page.emulate_media(media="print")
        found.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert found.page.evaluate(wider, 717) == []
        assert found.page.locator("#cache_hits-numbers").is_visible()
