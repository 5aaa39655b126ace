"""The page's section of caches: read back from the page, nothing of the log's texts at work."""

import functools
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from ragopt.cache.advice import MODELLED
from ragopt.report.cache_ranking import ranked_sentence
from ragopt.report.cache_tables import cache_prices, caches_table, orders_table
from ragopt.report.cache_words import NO_LOG, reasons
from ragopt.report.figures import figure_of
from ragopt.report.page import page_html
from ragopt.sweep.kept_cache import with_cache
from tests.cache_example import ADVICE, with_example_cache
from tests.hostile_cache import with_hostile_cache
from tests.report_example import HOSTILE, example_run
from tests.test_report_cache_figures import NAMES

SHORT = replace(ADVICE, insufficient="2.0 days of log, 3 are needed", basis=MODELLED,
                plans=(replace(ADVICE.plans[0], on=False),))  # fmt: skip


@functools.cache
def page(kind="example") -> BeautifulSoup:
    """The page of the example run with the example advice, with a hostile one or with too short a log."""
    run = example_run()
    made = {"example": with_example_cache, "hostile": lambda one: with_hostile_cache(one, HOSTILE),
            "short": lambda one: with_cache(one, SHORT), "none": lambda one: one}  # fmt: skip
    return BeautifulSoup(page_html(made[kind](run)), "html.parser")


def cells(table):
    return tuple(tuple(cell.get_text() for cell in row.find_all(["th", "td"])) for row in table.select("tbody tr"))


def test_the_section_stands_after_the_bill_and_ranks_the_caches_first():
    """It stands between bill and quality, has a link, begins with the ranking; its tables are the records'."""
    soup = page()
    sections = [one["id"] for one in soup.select("main > section")]
    assert sections[sections.index("bill") : sections.index("quality") + 1] == ["bill", "caches", "quality"]
    assert soup.select_one('nav a[href="#caches"]').get_text() == "Caches"
    section = soup.select_one("#caches")
    assert section.p.get_text() == ranked_sentence(ADVICE)
    assert cells(section.select_one("#caches-table")) == caches_table(ADVICE).rows
    assert cells(section.select_one("#cache-orders")) == orders_table(ADVICE).rows
    assert cells(section.select_one("#cache-prices")) == cache_prices(ADVICE).rows
    assert [one.get_text() for one in section.select("#caches-why li")] == list(reasons(ADVICE))
    assert [one.get_text() for one in section.select("#caches-warnings li")] == list(ADVICE.warnings)
    assert len(section.select("#caches-notes li")) == 2
    assert "USD 403.10 a month without them, USD 334.56 with them" in section.get_text()
    assert not section.select(".bad, .tag")


@pytest.mark.parametrize("kind", ["example", "hostile"])
def test_every_figure_is_there_with_its_numbers(kind):
    """Each of the five figures has two pictures, its whole caption and its table; no id is used twice."""
    run = example_run()
    run = with_example_cache(run) if kind == "example" else with_hostile_cache(run, HOSTILE)
    soup = page(kind)
    for name in NAMES:
        figure = figure_of(run, name)
        assert len(soup.select(f"#caches #{name}-figure svg")) == 2
        assert soup.select_one(f"#{name}-figure figcaption").get_text() == figure.caption
        assert cells(soup.select_one(f"#{name}-numbers")) == figure.table.rows
    ids = [one["id"] for one in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert {link["href"].removeprefix("#") for link in soup.select('a[href^="#"]')} <= set(ids)


def test_a_run_without_a_log_has_one_line_more():
    """No section, no figure, no link: one sentence among what was not measured, with the command."""
    soup = page("none")
    assert not soup.select("#caches, nav a[href='#caches'], [id^=cache]")
    assert [one.get_text() for one in soup.select("#not-measured li")][-1] == NO_LOG
    assert soup.get_text().count("ragopt cache") == 1
    assert NO_LOG not in page().get_text()


def test_too_short_a_log_is_said_before_anything_else():
    """The reason is the first sentence of the section, in the colour of a warning."""
    told = "No cache is recommended, the log says too little: 2.0 days of log, 3 are needed"
    section = page("short").select_one("#caches")
    assert section.p.get_text() == told
    assert section.p["class"] == ["status", "bad"]


def test_a_model_is_labelled():
    """Figures that were not replayed carry a label in the section's heading."""
    assert page("short").select_one("#caches-h .tag").get_text() == "model, not measured"


def test_hostile_texts_of_the_advice_stay_text():
    """Markup in log, reasons, notes, prices, orders, warnings and names makes no element, script, link or handler."""
    soup, plain = page("hostile"), page()
    assert len(soup.find_all("script")) == len(plain.find_all("script")) == 2
    assert len(soup.find_all("style")) == 1
    section = soup.select_one("#caches")
    assert not section.find_all(["a", "img", "iframe", "script", "form"])
    assert section.get_text().count(HOSTILE.removesuffix("\u202e")) > 20
    assert "\u202e" not in str(soup)
    for one in section.find_all(True):
        assert not [name for name in one.attrs if name.lower().startswith("on")]
