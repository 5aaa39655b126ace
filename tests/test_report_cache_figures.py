"""The five figures of a cache advice: exact numbers, tables that parse back, pictures that fit, reasons for none."""

import doctest
import functools
import re
import time
from dataclasses import replace
from decimal import Decimal

import pytest

from ragopt.cache.advice import FalseHitPoint
from ragopt.cache.records import Curve
from ragopt.report import cache_savings_info
from ragopt.report.cache_hits_chart import NARROW, WIDE, hits_marks
from ragopt.report.cache_hits_info import hit_panels, policies_of
from ragopt.report.cache_marginal_info import marginal_lines
from ragopt.report.cache_savings_chart import WIDE as WIDE_SAVINGS
from ragopt.report.cache_savings_chart import figure_text, savings_marks
from ragopt.report.cache_savings_info import savings_steps
from ragopt.report.figure import Figure, NoFigure
from ragopt.report.figures import figure_of
from ragopt.report.palette import ACCENT, CHROME_DARK, SERIES
from ragopt.report.pictures import svg_text
from ragopt.report.pixel_marks import Dot, Line, Path, Rect, Words
from ragopt.sweep.kept_cache import with_cache
from tests.cache_example import ADVICE, ANSWER, CHUNK, EMBEDDING, GUESSED, PREFIX, usd, with_example_cache
from tests.figures_of_runs import SVG, picture
from tests.hostile_cache import hostile_advice
from tests.report_example import HOSTILE, example_run
from tests.test_report_charts import svg_texts

NAMES = ("cache_hits", "cache_marginal", "cache_savings", "cache_ttl", "cache_false_hits")


@functools.cache
def made(name, kind="example"):
    """A figure of the example run with the example advice, or with a hostile one."""
    run = example_run()
    found = figure_of(with_example_cache(run) if kind == "example" else with_cache(run, hostile_advice(HOSTILE)), name)
    assert isinstance(found, Figure)
    return found


def of(name, **changes):
    """A figure of the example run with a changed advice."""
    return figure_of(with_cache(example_run(), replace(ADVICE, **changes)), name)


def test_hits_are_those_of_the_curves():
    """Chunk panels come first; each line has the shares of its curve, the second panel those of whole requests."""
    panels = hit_panels(ADVICE)
    assert [panel.title for panel in panels] == [
        "Chunk cache: reads that hit", "Chunk cache: requests with every read a hit",
        "Exact-answer cache: first turns that hit", "Query-embedding cache: requests that hit",
        "Result cache: requests that hit",
    ]  # fmt: skip
    assert [share.value for _, share in panels[0].lines[0].points] == [0.2, 0.35, 0.55, 0.75, 0.84, 0.86]
    assert [share.value for _, share in panels[1].lines[4].points] == [0.2, 0.3, 0.38, 0.42, 0.43, 0.43]
    assert [size for size, _ in panels[0].lines[0].points] == [10_000 * 4**step for step in range(6)]
    assert policies_of(panels) == ("LRU", "LFU", "SIEVE", "S3-FIFO", "Belady")
    assert [line.is_reference for line in panels[0].lines] == [False, False, True, True, True]
    assert (panels[0].size_bytes, panels[3].size_bytes) == (2_560_000, 640_000)


@pytest.mark.parametrize("layout", [WIDE, NARROW], ids=["wide", "narrow"])
def test_reference_lines_are_dashed_and_thin_and_the_recommended_size_is_red(layout):
    """Three dashed lines a chunk panel, two heavy ones; one red line at the recommended size in each of five panels."""
    marks, height = hits_marks(hit_panels(ADVICE), layout)
    paths = [one for one in marks if isinstance(one, Path)]
    assert sum(one.dashed for one in paths) == 6
    assert {one.width for one in paths if one.dashed} == {1.3}
    assert {one.width for one in paths if not one.dashed} == {2.2}
    red = [one for one in marks if isinstance(one, Line) and one.colour == ACCENT]
    assert len(red) == 5
    # Whiskers of the deployable policies: six sizes, two policies in four panels and one in the fifth, three lines.
    whiskers = [one for one in marks if isinstance(one, Line) and one.width == 1.3 and not one.dashed]
    assert len(whiskers) == 6 * 9 * 3
    assert max(one.y for one in marks if isinstance(one, Words)) < height


def test_no_red_line_where_a_cache_is_off():
    """A cache that is off has its curves and no recommended size."""
    figure = of("cache_hits", plans=(replace(CHUNK, on=False),))
    assert "Red" not in figure.caption
    assert "recommended" not in " ".join(svg_texts(svg_text(figure.draw(narrow=False, titled=False))))


def test_marginal_savings_are_worked_by_hand():
    """Answers: 4 of 10 kB is 400,000 per GB, 0.2 more of 1.92 MB is 104.17; the sixth size adds nothing, left out."""
    lines = {line.name: line for line in marginal_lines(ADVICE)}
    assert list(lines) == ["answer", "embedding", "result", "chunk"]
    answer = lines["answer"]
    assert [round(usd, 2) for _, usd in answer.points] == [400_000, 166_666.67, 50_000, 4_166.67, 104.17]
    assert answer.chosen == (2_560_000, pytest.approx(0.2 / 1_920_000 * 1e9))
    assert lines["embedding"].chosen[0] == 640_000
    figure = made("cache_marginal")
    assert "6 sizes whose last bytes save nothing are left out" in figure.caption
    assert "USD 3.84 per GB-month on x2gd.2xlarge, as of 2026-07-20" in figure.caption
    assert [row[4] for row in figure.table.rows[:6]] == [
        "400,000.00", "166,666.67", "50,000.00", "4,166.67", "104.17", "0.00",
    ]  # fmt: skip
    assert [row[5] for row in figure.table.rows[:6]] == ["", "", "", "", "recommended", ""]


def test_the_waterfall_adds_up():
    """403.10 less 17.20, 0.01, 0.01, 0.04 and 51.30 is 334.54; memory of 0.02 makes 334.56, the month with caches."""
    steps = savings_steps(ADVICE)
    assert [(one.name, str(one.after)) for one in steps] == [
        ("Without caches", "403.10"), ("Exact-answer cache", "385.90"), ("Query-embedding cache", "385.89"),
        ("Result cache", "385.88"), ("Chunk cache", "385.84"), ("Prompt-prefix cache", "334.54"),
        ("Their memory", "334.56"), ("With caches", "334.56"),
    ]  # fmt: skip
    assert made("cache_savings").table.rows[5] == (
        "Prompt-prefix cache", "\N{MINUS SIGN}51.30", "\N{MINUS SIGN}58.10", "\N{MINUS SIGN}44.00", "334.54",
    )  # fmt: skip
    assert made("cache_savings").table.rows[6][:2] == ("Their memory", "+0.02")


def test_a_waterfall_has_one_convention_of_signs():
    """A saving of 1.11 [0.87, 1.36] is -1.11 [-1.36, -0.87]; one that rounds to nothing has no sign at all."""
    assert doctest.testmod(cache_savings_info).failed == 0
    minus = "\N{MINUS SIGN}"
    small, none, wide = (replace(CHUNK, saved=usd(*ends), memory_usd_per_month=Decimal(0)) for ends in (
        ("1.11", "0.87", "1.36"), ("0.004", "-0.004", "0.004"), ("150", "-0.20", "310")))  # fmt: skip
    told = [figure_text(one) for one in savings_steps(replace(ADVICE, plans=(small, none, wide)))]
    assert told == [
        "USD 403.10", f"{minus}1.11 [{minus}1.36, {minus}0.87]", "0.00 [0.00, 0.00]",
        f"{minus}150.00 [{minus}310, +0.20]", "0.00", "USD 251.99",
    ]  # fmt: skip


def test_a_guess_is_called_one_in_the_waterfall():
    """Row, picture and caption name it; a semantic cache's memory is said not to be counted."""
    figure = of("cache_savings", plans=(GUESSED, replace(ANSWER, name="semantic")))
    assert figure.table.rows[1][0] == "Prompt-prefix cache (a guess)"
    assert f"Prompt-prefix cache and the month with caches: a guess: {GUESSED.guess}." in figure.caption
    assert "The semantic cache's memory is not counted." in figure.caption
    for narrow, name in ((True, "Prompt-prefix"), (False, "Prompt-prefix cache (a guess)")):
        [told] = [one for one in svg_texts(svg_text(figure.draw(narrow=narrow, titled=False))) if name in one]
        assert told.endswith(" (a guess)")
    assert "guess" not in made("cache_savings").caption
    assert "not counted" not in made("cache_savings").caption


def test_a_size_below_the_price_of_ram_is_explained():
    """Dots of caches for latency below the dashed line stand there on purpose."""
    assert "stand below it on purpose" in made("cache_marginal").caption


def test_bars_are_as_long_as_their_money():
    """The axis begins at nothing: a bar's pixels are to the month's as its USD are; the interval is the saving's."""
    marks, _ = savings_marks(savings_steps(ADVICE), WIDE_SAVINGS)
    bars = [one for one in marks if isinstance(one, Rect)]
    per_usd = (bars[0].right - bars[0].left) / 403.10
    assert (bars[5].right - bars[5].left) / per_usd == pytest.approx(51.30)
    assert (bars[7].right - bars[7].left) / per_usd == pytest.approx(334.56)
    assert bars[0].left == bars[7].left == WIDE_SAVINGS.left
    y = 5 * WIDE_SAVINGS.row + WIDE_SAVINGS.middle
    [interval] = [one for one in marks if isinstance(one, Line) and one.y == one.y2 == y]
    assert (interval.x2 - interval.x) / per_usd == pytest.approx(58.10 - 44.00)
    assert (interval.x - WIDE_SAVINGS.left) / per_usd == pytest.approx(385.84 - 58.10)


def test_ttl_figure_has_every_ttl_and_the_share_of_repeats():
    """5 min 3.0 %, 1 h 4.4 %, 1 day 9.1 % (recommended), no end 11.5 %, which the caption calls the repeats."""
    figure = made("cache_ttl")
    assert figure.table.rows == (
        ("5 min", "3.0 % [1.0, 5.0]", "3,553", ""), ("1 h", "4.4 % [2.4, 6.4]", "3,553", ""),
        ("1 day", "9.1 % [7.1, 11.1]", "3,553", "recommended"), ("no end", "11.5 % [9.5, 13.5]", "3,553", ""),
    )  # fmt: skip
    assert (
        "Repeats of an earlier first turn, however old, are 11.5 % [9.5, 13.5] of 3,553 first turns" in figure.caption
    )
    said = svg_texts(svg_text(figure.draw(narrow=True, titled=False)))
    assert {"recommended: 1 day", "no end", "11.5 %"} <= set(said)


def test_false_hits_show_bound_and_rate():
    """5 of 120 labelled hits wrong is 4.2 %, at most 8.5 %; the strictest threshold is the first row."""
    figure = made("cache_false_hits")
    assert figure.table.rows == (
        ("0.98", "60", "0", "0.0 %", "4.9 %"), ("0.95", "100", "1", "1.0 %", "4.7 %"),
        ("0.9", "120", "5", "4.2 %", "8.5 %"),
    )  # fmt: skip
    unlabelled = of("cache_false_hits", false_hits=(FalseHitPoint(0.9, 0, 0, 1.0),))
    assert unlabelled.table.rows == (("0.9", "0", "0", "", "100.0 %"),)
    assert "observed rate" in " ".join(svg_texts(svg_text(unlabelled.draw(narrow=True, titled=True))))


@pytest.mark.parametrize("kind", ["example", "hostile"])
@pytest.mark.parametrize("name", NAMES)
def test_pictures_fit_page_and_phone_and_swap_colours(name, kind):
    """Narrow at most 350 px, wide 1,000; every colour has its dark twin; only drawing elements are there."""
    for narrow, most in ((True, 350), (False, 1000)):
        root = picture(made(name, kind), narrow=narrow)
        assert float(root.attrib["width"]) <= most
        painted = {one.get(key, "none") for one in root.iter() for key in ("fill", "stroke")} - {"none", "transparent"}
        assert painted <= {*CHROME_DARK, *dict(SERIES)}
        tags = {one.tag.removeprefix(SVG) for one in root.iter()}
        assert tags <= {"svg", "g", "path", "line", "text", "rect", "defs", "clipPath", "tspan"}
        assert "\u202e" not in "".join(root.itertext())
    said = made(name, kind).caption + "".join(cell for row in made(name, kind).table.rows for cell in row)
    assert "\u202e" not in said


@pytest.mark.parametrize("name", NAMES)
def test_a_titled_picture_says_what_it_shows(name):
    """Title and caption are drawn when asked for, and not on the page."""
    titled, plain = ("".join(picture(made(name), titled=value).itertext()) for value in (True, False))
    assert made(name).title in titled
    assert made(name).title not in plain


@pytest.mark.parametrize("name", NAMES)
def test_drawing_is_quick(name):
    """Drawing a figure's chart a second time takes under 0.25 s of processor time: the first loads the library."""
    made(name).draw(narrow=True, titled=True)
    start = time.process_time()
    made(name).draw(narrow=False, titled=True)
    assert time.process_time() - start < 0.25


@pytest.mark.parametrize("name", NAMES)
def test_a_run_without_a_log_says_how_to_replay_one(name):
    """No advice, no figure: the reason is the command."""
    found = figure_of(example_run(), name)
    assert isinstance(found, NoFigure)
    assert found.reason == "No query log was replayed: `ragopt cache LOG --run RUN`."


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("cache_hits", {"plans": (PREFIX,)}, "No cache was replayed at several sizes."),
        ("cache_hits", {"plans": (replace(CHUNK, curves=(Curve("LRU", (), 0, 0),)),)},
         "No cache was replayed at several sizes."),
        ("cache_marginal", {"plans": (PREFIX,)}, "No cache saves anything that grows with its size."),
        ("cache_savings", {"plans": (replace(PREFIX, on=False),)}, "No cache is recommended."),
        ("cache_savings", {"plans": (), "insufficient": "2 days\u202e."}, "No cache is recommended: 2 days\\u202e."),
        ("cache_ttl", {"plans": (replace(ANSWER, ttls=()),)},
         "The answer cache was not replayed under TTLs: that takes times."),
        ("cache_ttl", {"plans": (CHUNK,)}, "The answer cache was not replayed under TTLs: that takes times."),
        ("cache_false_hits", {"false_hits": ()},
         "No hit of a semantic cache is labelled: its false-hit rate is unknown."),
    ],
)  # fmt: skip
def test_why_there_is_no_figure(name, changes, reason):
    """An advice without the numbers of a figure has a sentence in its place."""
    found = of(name, **changes)
    assert isinstance(found, NoFigure)
    assert found.reason == reason


def test_a_cache_at_one_size_is_a_dot():
    """One size, one marginal and one TTL still have an axis to stand on."""
    one = replace(CHUNK, curves=(replace(CHUNK.curves[0], points=CHUNK.curves[0].points[:1]),), size_bytes=10_000)
    marks, _ = hits_marks(hit_panels(replace(ADVICE, plans=(one,))), WIDE)
    assert len([mark for mark in marks if isinstance(mark, Dot)]) == 2
    alone = replace(EMBEDDING, sizes=EMBEDDING.sizes[:1], size_bytes=10_000)
    assert isinstance(of("cache_marginal", plans=(alone,)).draw(narrow=True, titled=True).to_dict(), dict)
    for ttls in (ANSWER.ttls[:1], ANSWER.ttls[-1:]):
        drawn = of("cache_ttl", plans=(replace(ANSWER, ttls=ttls),)).draw(narrow=True, titled=False)
        assert isinstance(drawn.to_dict(), dict)


def test_money_of_nothing_is_drawn():
    """RAM that costs nothing has no line on a log axis; a month of nothing has bars of the least width."""
    free = replace(ADVICE.memory, usd_per_gb_month=Decimal(0))
    said = " ".join(svg_texts(svg_text(of("cache_marginal", memory=free).draw(narrow=False, titled=False))))
    assert "RAM: USD" not in said
    zero = replace(PREFIX, saved=replace(PREFIX.saved, value=Decimal(0), low=Decimal(0), high=Decimal(0)))
    svg = svg_text(of("cache_savings", usd_before=Decimal(0), plans=(zero,)).draw(narrow=True, titled=False))
    assert re.search("Prompt-prefix cache", svg)
