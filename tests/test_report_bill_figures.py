"""The figures of the bill: exact numbers of hand-made bills, tables that parse back, nothing cut off or run."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from ragopt.records import Bill, BillLine
from ragopt.report.bill_lines_chart import COLOURS, WIDE, bill_marks
from ragopt.report.bill_parts import PARTS, segments_of, stacked_bills
from ragopt.report.crossover_figure import crossovers_caption
from ragopt.report.crossover_frame import followed, frame_of
from ragopt.report.figure import Figure, NoFigure
from ragopt.report.figures import figure_of
from ragopt.report.labels import Box
from ragopt.report.page import page_html
from ragopt.report.palette import CHROME_DARK, SERIES
from ragopt.report.pictures import svg_text
from ragopt.report.pixel_marks import Dot, Line, Rect, Words
from ragopt.report.prices_used import href_of, prices_used
from ragopt.report.target_bars import usd_scale
from ragopt.report.targets_chart import NARROW, target_marks
from ragopt.report.targets_chart import WIDE as WIDE_TARGETS
from ragopt.sweep.kept_everywhere import everywhere_in_run
from tests.report_example import HOSTILE, example_run, hostile_run, nothing_fits_run, old_run, small_run
from tests.test_report_charts import svg_texts

NAMES = ("bill_lines", "targets", "crossovers", "tornado")
KEPT = NAMES[1:]
BUILDERS = (example_run, hostile_run, small_run, nothing_fits_run)


def line(part, usd, item="x"):
    return BillLine(item, Decimal(1), "unit", Decimal(usd), Decimal(usd), "source", "2026-07-20", part)


def bill_of(*lines, target="t"):
    usd = sum((one.usd for one in lines), Decimal("0.00"))
    return Bill(target, usd, usd, usd, lines)


def money(text):
    return Decimal(text.replace(",", ""))


def test_segments_by_hand():
    """Two compute lines become one segment of 3.75, in the order of the parts; a part of nothing is left out."""
    bill = bill_of(line("minimum", "1.05"), line("compute", "2.50"), line("queries", "0"), line("compute", "1.25"))
    assert [(one.part, one.start, one.usd) for one in segments_of(bill)] == [
        ("compute", Decimal("0.00"), Decimal("3.75")),
        ("minimum", Decimal("3.75"), Decimal("1.05")),
    ]


@given(st.lists(st.tuples(st.sampled_from(PARTS), st.decimals(0, 10**6, places=2)), max_size=20))
def test_segments_add_up_to_the_bill_to_the_cent(parts):
    """Whatever the lines, the segments follow each other without a gap and end at the bill."""
    bill = bill_of(*(line(part, usd) for part, usd in parts))
    end = Decimal(0)
    for segment in segments_of(bill):
        assert segment.start == end
        end += segment.usd
    assert end == bill.usd_per_month


def test_bars_have_one_scale():
    """The example's bars: 381.21 fills the room beside its sum, 23.81 its share; each part begins where one ends."""
    bars = stacked_bills(example_run())
    marks, _ = bill_marks(bars, WIDE)
    rects = [mark for mark in marks if isinstance(mark, Rect) and mark.bottom - mark.top == 26]
    ours, theirs = rects[:3], rects[3:]
    assert [one.colour for one in ours] == [COLOURS["compute"], COLOURS["memory"], COLOURS["storage"]]
    assert theirs[-1].right == pytest.approx(WIDE - len("USD 381.21") * 6.6 - 7)
    assert ours[-1].right == pytest.approx(theirs[-1].right * 23.81 / 381.21)
    assert ours[0].right == pytest.approx(theirs[-1].right * 11.83 / 381.21)


@pytest.mark.parametrize("builder", BUILDERS)
def test_bill_lines_parse_back(builder):
    """Every line and both sums of the table are the records' figures, and the lines add up to the sums."""
    run = builder()
    figure = figure_of(run, "bill_lines")
    rows = iter(figure.table.rows)
    for bill in (run.recommendation.bill, run.recommendation.baseline_bill):
        shown = [next(rows) for _ in bill.lines]
        assert sorted((row[1], money(row[3])) for row in shown) == sorted((one.part, one.usd) for one in bill.lines)
        total = next(rows)
        assert total[1] == "sum"
        assert money(total[3]) == bill.usd_per_month == sum(money(row[3]) for row in shown)
    assert next(rows, None) is None


@pytest.mark.parametrize("builder", BUILDERS)
def test_targets_parse_back(builder):
    """Every bill, range, index, consent and end of the table is the record's, cheapest first."""
    run = builder()
    kept = everywhere_in_run(run).targets
    rows = figure_of(run, "targets").table.rows
    for row, one in zip(rows, kept, strict=True):
        assert [money(text) for text in row[1:4]] == [one.usd_per_month, one.low, one.high]
        assert ("\N{DEGREE SIGN}" in row[0]) == (row[4] != "the measured one") == (not one.serves_the_index)
        assert ("\N{DAGGER}" in row[0]) == one.needs_consent
        assert ("\N{DOUBLE DAGGER}" in row[0]) == bool(one.ends)
    assert [money(row[1]) for row in rows] == sorted(money(row[1]) for row in rows)


@pytest.mark.parametrize("layout", [WIDE_TARGETS, NARROW])
def test_targets_are_drawn_at_their_bills(layout):
    """Each dot lies at its bill on the axis; those of an index of their own are hollow, the recommended one is red."""
    run = example_run()
    kept = everywhere_in_run(run)
    marks, _ = target_marks(kept, "faiss-ram-nvme", layout)
    scale = usd_scale(kept, layout.n_ticks)
    dots = [mark for mark in marks if isinstance(mark, Dot)]
    for dot, one in zip(dots, kept.targets, strict=True):
        place = layout.left + scale.fraction(float(one.usd_per_month)) * (layout.right - layout.left)
        assert dot.x == pytest.approx(place)
        assert (dot.fill == dot.colour) == one.serves_the_index
        assert (dot.colour == "#b4003c") == (one.name == "faiss-ram-nvme")


def test_a_bill_of_nothing_lies_at_the_edge():
    """On a log axis a free target and a range from 0 are drawn to the left edge, and said as 0.00."""
    kept = everywhere_in_run(example_run())
    free = replace(kept.targets[0], usd_per_month=Decimal("0.00"), low=Decimal("0.00"), high=Decimal("50.00"))
    marks, _ = target_marks(replace(kept, targets=(free, *kept.targets[1:])), "", WIDE_TARGETS)
    assert next(mark for mark in marks if isinstance(mark, Dot)).x == WIDE_TARGETS.left
    assert "0.00" in [mark.text for mark in marks if isinstance(mark, Words)]
    assert usd_scale(replace(kept, targets=(replace(free, high=Decimal(0)),)), 5).high > 0


@pytest.mark.parametrize("builder", BUILDERS)
def test_crossovers_parse_back(builder):
    """Every bill of the grid and both bills at each change stand in the table, sizes growing."""
    run = builder()
    result = everywhere_in_run(run).crossovers.result
    table = figure_of(run, "crossovers").table
    names = list(result.points[0].usd)
    rows = {row[0]: row for row in table.rows if "\N{RIGHTWARDS ARROW}" not in row[1]}
    for point in result.points:
        cells = rows[f"{point.at:,}"][2:]
        told = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
        assert {name: money(cell.removesuffix("\N{DAGGER}")) for name, cell in told.items()} == dict(point.usd)
        assert {name for name, cell in told.items() if cell.endswith("\N{DAGGER}")} == set(point.barred)
    moves = [row for row in table.rows if "\N{RIGHTWARDS ARROW}" in row[1]]
    for row, change in zip(moves, result.changes, strict=True):
        cells = dict(zip(names, row[2:], strict=True))
        assert money(row[0]) == change.at
        assert (money(cells[change.source]), money(cells[change.to])) == (change.usd_source, change.usd_to)
    assert [money(row[0]) for row in table.rows] == sorted(money(row[0]) for row in table.rows)


def test_crossovers_of_the_example_by_hand():
    """0.02 + 2 x = 0.5 + 0.5 x at x = 0.32, 0.5 + 0.5 x = 20 + 0.2 x at x = 65 times the 100 M vectors, within 1 %."""
    changes = everywhere_in_run(example_run()).crossovers.result.changes
    assert [(one.source, one.to) for one in changes] == [("early", "faiss-ram-nvme"), ("faiss-ram-nvme", "late")]
    assert 32_000_000 <= changes[0].at <= 32_000_000 * 1.01
    assert 6_500_000_000 <= changes[1].at <= 6_500_000_000 * 1.01
    assert changes[1].usd_source >= changes[1].usd_to


def test_a_cheaper_target_that_needs_consent_is_not_denied():
    """`asked` costs less than the leader from 5 times the vectors on, unasked for: the words say so, else nothing."""
    run = example_run()
    kept = everywhere_in_run(run).crossovers
    barred = [point for point in kept.result.points if point.barred]
    assert any(point.usd["asked"] < point.usd[point.leader] for point in barred)
    caption = figure_of(run, "crossovers").caption
    assert "the lowest without a vendor's consent lies on the pale band" in caption
    assert "Grey lines are never the lowest without a vendor's consent." in caption
    assert "\N{DAGGER} in the table: the vendor sells that size on request only" in caption
    free = replace(kept.result, points=tuple(replace(point, barred=()) for point in kept.result.points))
    said = crossovers_caption(replace(kept, result=free), 100_000_000, "faiss-ram-nvme")
    assert "the lowest lies on the pale band" in said
    assert "Grey lines are never the lowest." in said
    assert "consent" not in said
    assert "\N{DAGGER}" not in said


@pytest.mark.parametrize("narrow", [False, True])
def test_the_crossover_chart_numbers_its_changes(narrow):
    """Each change has a dashed line's number and its sentence; the billed size and the recommended target are named."""
    run = example_run()
    said = svg_texts(svg_text(figure_of(run, "crossovers").draw(narrow=narrow, titled=False)))
    flat = " ".join(said)
    changes = everywhere_in_run(run).crossovers.result.changes
    assert {"1", "2"} <= set(said)
    assert f"from early to faiss-ram-nvme at 32 M vectors, USD {changes[0].usd_to}" in flat
    for phrase in ("billed: 100 M vectors", "faiss-ram-nvme", "vectors, log scale", "USD per month, log scale", "10 B"):
        assert phrase in flat
    assert ("asked ends" in said) != narrow


def test_lines_are_followed_in_small_steps():
    """From pixel 0 to 8 across, a step lies at 4: names keep off what lies between two sizes of the grid."""
    assert followed(((0.0, 0.0), (8.0, 4.0))) == [(0.0, 0.0), (4.0, 2.0), (8.0, 4.0)]
    assert followed(()) == []


def test_crossovers_where_all_is_free():
    """Bills of nothing have no place on a log axis: the chart is drawn without them."""
    result = everywhere_in_run(example_run()).crossovers.result
    free = replace(result, points=tuple(replace(one, usd=dict.fromkeys(one.usd, Decimal(0))) for one in result.points))
    assert frame_of(free, Box(0, 0, 10, 10)).line(free, "early") == ()


@pytest.mark.parametrize("builder", BUILDERS)
def test_tornado_parses_back(builder):
    """Every end of every input, the range and the bill are the records'; a refused end says so."""
    run = builder()
    kept = everywhere_in_run(run).tornado
    rows = figure_of(run, "tornado").table.rows
    for row, one in zip(rows, kept.swings, strict=False):
        for text, usd in ((row[2], one.usd_at_low), (row[4], one.usd_at_high)):
            assert (text == "refused") if usd is None else (money(text) == usd)
    assert len(rows) == len(kept.swings) + 2
    assert [money(rows[-2][column]) for column in (2, 4)] == [kept.found.low, kept.found.high]
    assert money(rows[-1][2]) == kept.found.usd_per_month == run.recommendation.bill.usd_per_month


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("name", NAMES)
def test_figures_fit_and_swap_colours(builder, name):
    """Narrow ones are at most 350 px wide, wide ones 1,000; every colour has its twin for dark screens."""
    figure = figure_of(builder(), name)
    for narrow, most in ((True, 350), (False, 1000)):
        svg = svg_text(figure.draw(narrow=narrow, titled=False))
        assert float(re.search(r'width="([\d.]+)"', svg)[1]) <= most
        painted = set(re.findall(r'(?:fill|stroke)="(#[0-9a-fA-F]+)"', svg))
        assert painted <= {*CHROME_DARK, *dict(SERIES)}
        assert not re.search(r'(?:fill|stroke)="(?!#|none|transparent|url)', svg)
    titled = " ".join(svg_texts(svg_text(figure.draw(narrow=False, titled=True))))
    assert figure.title in titled or name in ("tornado", "crossovers")


def test_older_runs_say_what_to_do():
    """A run that does not keep the bill at every target has no such figures; its page says to sweep again."""
    for name in KEPT:
        found = figure_of(old_run(), name)
        assert isinstance(found, NoFigure)
        assert "sweep again" in found.reason
    assert isinstance(figure_of(old_run(), "bill_lines"), Figure)
    soup = BeautifulSoup(page_html(old_run()), "html.parser")
    assert soup.select_one("#bill").get_text().count("sweep again") == len(KEPT)


def test_why_there_is_no_figure():
    """Bills of nothing, a tornado without a swing, and crossovers that could not be made each say why."""
    run = example_run()
    nothing = bill_of()
    free = replace(run, recommendation=replace(run.recommendation, bill=nothing, baseline_bill=nothing))
    assert figure_of(free, "bill_lines").reason == "Neither bill has a line that costs anything."
    kept = run.info["everywhere"]
    still = kept | {"tornado": kept["tornado"] | {"swings": []}, "crossovers": {"reason": "n_vectors is 7"}}
    run = replace(run, info=run.info | {"everywhere": still})
    assert figure_of(run, "tornado").reason == "No uncertain input moves the bill at faiss-ram-nvme."
    assert figure_of(run, "crossovers").reason.endswith("over a range of vectors: n_vectors is 7")


def test_prices_are_named_once():
    """The example's RAM price stands in both bills and once in the table, 30 days old on the day it was billed for."""
    found = prices_used(example_run())
    assert [(one.item, str(one.usd_per_unit), one.bills) for one in found] == [
        ("RAM", "3.65", ("recommended", "baseline")),
        ("NVMe", "0.12", ("recommended",)),
        ("CPU", "0.0162", ("recommended",)),
        ("CPU", "0.0102", ("baseline",)),
    ]
    assert {(one.as_of, one.age_days) for one in found} == {("2026-07-20", 30)}
    [unknown, *_] = prices_used(replace(example_run(), info={**example_run().info, "billed_on": "2026-07-20"}))
    assert unknown.age_days == 0
    without = {name: value for name, value in example_run().info.items() if name != "billed_on"}
    assert prices_used(replace(example_run(), info=without))[0].age_days is None


def test_prices_used_parse_back():
    """The page's table has every price to its last digit, with unit, day and age."""
    run = example_run()
    soup = BeautifulSoup(page_html(run), "html.parser")
    rows = [[cell.get_text(" ", strip=True) for cell in row.find_all("td")]
            for row in soup.select("#prices-used tbody tr")]  # fmt: skip
    assert rows == [
        [f"{one.usd_per_unit:f}", one.unit, one.as_of, str(one.age_days), ", ".join(one.bills)]
        for one in prices_used(run)
    ]
    lines = {(str(one.usd_per_unit), one.unit) for bill in (run.recommendation.bill, run.recommendation.baseline_bill)
             for one in bill.lines}  # fmt: skip
    assert {(row[0], row[1]) for row in rows} == lines


@pytest.mark.parametrize(
    ("source", "href"),
    [
        ("https://example.org/a?b=c#d", "https://example.org/a?b=c#d"),
        ("HTTP://example.org", "HTTP://example.org"),
        ("https://example.org/pricing (read 2026-10-07 by https://example.net/x)", "https://example.org/pricing"),
        ("javascript:alert(1)", ""),
        ("JavaScript:alert(1)//https://example.org", ""),
        (" javascript:alert(1)", ""),
        ("java\nscript:alert(1)", ""),
        ("data:text/html,<script>alert(1)</script>", ""),
        ("vbscript:msgbox(1)", ""),
        ("file:///etc/passwd", ""),
        ("//example.org", ""),
        ("https://", ""),
        ("https:///path", ""),
        ("https://[", ""),
        ("https://example.org/\u202egpj.exe", ""),
        ('https://example.org/"onclick="x', ""),
        ("https://example.org/" + "x" * 500, ""),
        ("see https://example.org", ""),
        ("our contract", ""),
        ("", ""),
    ],
)
def test_only_web_addresses_become_links(source, href):
    """Http and https, at the start and shown as they are; every other source stays text."""
    assert href_of(source) == href


@given(st.text(max_size=60) | st.from_regex(r"[a-zA-Z]{1,12}:[^\s]{0,30}", fullmatch=True))
def test_no_other_scheme_ever_becomes_a_link(source):
    """Whatever the source, a link begins with http:// or https:// and is the beginning of what is shown."""
    href = href_of(source)
    assert href == "" or (href.lower().startswith(("http://", "https://")) and source.startswith(href))


def test_hostile_bill_stays_text():
    """Targets, items, sources, cautions, units and inputs with markup are text; no script address is a link."""
    html = page_html(hostile_run())
    soup = BeautifulSoup(html, "html.parser")
    section = soup.select_one("#bill")
    assert len(soup.find_all("script")) == 2
    assert "javascript:alert(1)" in section.get_text()
    hrefs = [link["href"] for link in section.find_all("a")]
    assert hrefs == ["https://example.org/prices"] * len(hrefs)
    assert {"https://example.org/prices"} == set(hrefs)
    for table in ("targets-numbers", "crossovers-numbers", "tornado-numbers", "bill_lines-numbers", "prices-used"):
        assert HOSTILE.removesuffix("\u202e") in section.select_one(f"#{table}").get_text()
    assert "\u202e" not in html


def test_marks_below_come_first():
    """The grid of the crossover chart lies under its lines: its layer is the first."""
    chart = figure_of(example_run(), "crossovers").draw(narrow=False, titled=False).to_dict()
    kinds = [layer["mark"]["type"] for layer in chart["layer"]]
    assert kinds.index("rule") < kinds.index("line")
    assert Line(0, 0, 1, 1, "#000000") != Line(0, 0, 1, 1, "#000000", dashed=True)


@pytest.mark.parametrize("builder", [example_run, hostile_run])
def test_captions_are_whole(builder):
    """A caption is on the page to its last word, beside its figure and in the figure's label."""
    run = builder()
    soup = BeautifulSoup(page_html(run), "html.parser")
    for name in NAMES:
        caption = figure_of(run, name).caption
        assert soup.select_one(f"#{name}-figure figcaption").get_text() == caption
        assert soup.select_one(f"#{name}-figure [role=img]")["aria-label"].endswith(caption)
