"""What holds for every figure of measured trials: numbers in the table, marks in the picture, names inert."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from ragopt.report.figure import Figure
from ragopt.report.figures import figure_of
from ragopt.report.page import page_html
from ragopt.report.palette import dark_twins
from ragopt.report.panels import cut
from tests.figures_of_runs import SVG, colours, drawn_rows, n_symbols, picture
from tests.report_example import example_run, hostile_run, two_model_run

NAMES = ("dimensions", "codecs", "rescoring", "estimates")
RUNS = {"one model": example_run, "two models": two_model_run, "hostile": hostile_run}
every_figure = pytest.mark.parametrize("name", NAMES)
every_run = pytest.mark.parametrize("run", RUNS)


@functools.cache
def made(run: str, name: str) -> Figure:
    """A figure of an example run, which has the numbers for all of them."""
    figure = figure_of(RUNS[run](), name)
    assert isinstance(figure, Figure)
    return figure


@every_run
@every_figure
def test_every_mark_is_in_the_table(run, name):
    """Every row that is drawn is a row of the table, and its quality is printed there."""
    rows = {row[0]: row for row in made(run, name).table.rows}
    for part in drawn_rows(made(run, name)):
        for mark in part:
            figure = f"{mark.get('quality', mark.get('value')):.4f}"
            assert any(cell.partition(" ")[0] == figure for cell in rows[mark["trial"]])


@every_run
@every_figure
def test_picture_has_a_mark_for_every_row(run, name):
    """No row is lost between the data and the picture: symbols are counted, a ring and a line's mark for a time."""
    expected = 0
    for part in drawn_rows(made(run, name)):
        expected += len(part)
    if name == "rescoring":
        first, second = drawn_rows(made(run, name))
        expected = len(first) + sum((row["cpu"] is not None) + (row["p50"] is not None) for row in second)
    assert n_symbols(picture(made(run, name))) == expected


@every_run
@every_figure
def test_pictures_fit_page_and_phone(run, name):
    """The wide picture fits half a page of 1,000 px and the narrow one a phone of 390 px."""
    assert float(picture(made(run, name)).attrib["width"]) <= 480
    assert float(picture(made(run, name), narrow=True).attrib["width"]) <= 350


@every_run
@every_figure
def test_a_picture_of_its_own_fills_a_slide(run, name):
    """Titled and wide it is 750 to 1,000 px wide and wider than high, with the page's marks, and a phone's stays so."""
    page, alone = picture(made(run, name)), picture(made(run, name), titled=True)
    width, height = (float(alone.attrib[side]) for side in ("width", "height"))
    assert 750 <= width <= 1000
    assert height < width
    assert n_symbols(alone) == n_symbols(page)
    assert float(picture(made(run, name), narrow=True, titled=True).attrib["width"]) <= 350


@every_run
@every_figure
def test_every_colour_has_a_dark_twin(run, name):
    """The page can swap every colour of the picture for dark screens."""
    spaces = [str(result.trial.space) for result in RUNS[run]().trials]
    assert colours(picture(made(run, name))) <= set(dark_twins(spaces))


@every_figure
def test_hostile_names_stay_text(name):
    """Markup in a model's name is text in the picture and never an element; control characters are spelt out."""
    root = picture(made("hostile", name), titled=True)
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "g", "path", "line", "text", "rect", "defs", "clipPath", "tspan"}
    said = "".join(root.itertext()) + made("hostile", name).caption
    assert "\u202e" not in said
    assert all("\u202e" not in cell for row in made("hostile", name).table.rows for cell in row)


@every_figure
def test_title_and_caption_are_drawn_when_asked_for(name):
    """A picture of its own says what it shows; in a page the words around it do."""
    figure = made("one model", name)
    titled, plain = ("".join(picture(figure, titled=value).itertext()) for value in (True, False))
    assert figure.title in titled
    assert figure.caption.split(" ", 3)[0] in titled
    assert figure.title not in plain


def test_page_shows_all_four_where_they_belong():
    """Dimensions, codecs and rescoring stand between frontier and bill, estimates among what to trust."""
    soup = BeautifulSoup(page_html(example_run()), "html.parser")
    sections = [section["id"] for section in soup.select("main > section")]
    assert sections.index("frontier") + 1 == sections.index("measured") == sections.index("bill") - 1
    assert soup.select_one('nav a[href="#measured"]').get_text() == "Dimensions, codecs, rescoring"
    for name, section in zip(NAMES, ("measured", "measured", "measured", "trust"), strict=True):
        assert len(soup.select(f"#{section} #{name}-figure svg")) == 2
        cells = [[c.get_text() for c in row.find_all(["th", "td"])] for row in soup.select(f"#{name}-numbers tbody tr")]
        assert cells == [list(row) for row in made("one model", name).table.rows]
        assert soup.select_one(f"#{name}-figure figcaption").get_text() == made("one model", name).caption


def test_long_captions_are_not_cut():
    """A caption of more than 400 characters, where names are cut, stands on the page to its end."""
    caption = "word " * 200 + "<b>end</b>"
    long = replace(made("one model", "dimensions"), caption=caption)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ragopt.report.page.figure_of", lambda _run, _name: long)
        soup = BeautifulSoup(page_html(example_run()), "html.parser")
    assert soup.select_one("#dimensions-figure figcaption").get_text() == caption
    assert not soup.select("#dimensions-figure b")


def test_cut_names_keep_both_ends():
    """A long name keeps its start and its end, at the length that it may have; a short one stays."""
    assert cut("PCAR128,PQ16np,Refine(SQfp16)", 15) == "PCAR128\N{HORIZONTAL ELLIPSIS}SQfp16)"
    assert cut("SQ8", 15) == "SQ8"
