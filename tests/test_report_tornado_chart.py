from decimal import Decimal

import pytest

from ragopt.bill.monte_carlo import BillRange
from ragopt.bill.tornado import Swing
from ragopt.errors import InputError
from ragopt.report.pictures import png_bytes, svg_text
from ragopt.report.pixel_marks import Rect, Words
from ragopt.report.tornado_chart import ENDS, NARROW, WIDE, tornado_chart, tornado_marks
from ragopt.report.tornado_frame import ends_of, tornado_scale
from tests.test_report_charts import contrast, svg_texts

USD = Decimal("100.00")


def swing(name, low, high, at_low="1 ms", at_high="4 ms"):
    ends = (None if end is None else Decimal(end) for end in (low, high))
    return Swing(name, name, at_low, at_high, *ends, USD)


SWINGS = (
    swing("peak load and queries", 60, 220, "5 QPS at the peak", "20 QPS at the peak"),
    swing("CPU time per query", 100, 180),
    swing("both dearer", 120, 150, "\N{MINUS SIGN}33 %", "+50 %"),
    swing("growth", 90, None, "1 million vectors a month", "4 million vectors a month"),
)
RANGE = BillRange("faiss-ram", USD, Decimal("55.50"), Decimal("240.10"), 256, 0, 0, ())


def bars_of(swings, layout):
    """The bars of both kinds in order, legend and keys left out: those that begin or end at the bill."""
    marks, _ = tornado_marks(swings, RANGE, layout)
    scale = tornado_scale(swings, RANGE, layout.right - layout.left, labelled=layout.beside, n_ticks=7)
    base = layout.across(100, scale)
    bars = [mark for mark in marks if isinstance(mark, Rect) and base in (mark.left, mark.right)]
    return bars, base, scale


@pytest.mark.parametrize("narrow", [False, True])
def test_the_chart_says_inputs_figures_bills_and_range(narrow):
    """Names, the input's figure and unit at each end, the bills, their base line, axis, colours and range in words."""
    said = " ".join(svg_texts(svg_text(tornado_chart(SWINGS, target="faiss-ram", found=RANGE, narrow=narrow))))
    for phrase in (
        "The 4 inputs that move the bill most",
        "peak load and queries", "5 QPS at the peak", "20 QPS at the peak",
        "bill: USD 100.00", "USD per month", "refused",
        "the input at its low end", "the input at its high end",
    ):  # fmt: skip
        assert phrase in said
    for phrase in ("5 QPS at the peak: USD 60.00",) if narrow else (
        "USD 60.00 to 220.00", "low end: USD 90.00, high end: refused",
        "the middle 95 % of 256 draws of all inputs together, USD 55.50 to 240.10",
    ):  # fmt: skip
        assert phrase in said
    assert ("4 million vectors a month: refused" in said) == narrow


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_bars_reach_from_the_bill_to_each_end(layout):
    """One bar per end that is sold and moves, in order, each from 100 USD to its own bill in its end's colour."""
    bars, base, scale = bars_of(SWINGS, layout)
    low, high = ENDS.values()
    expected = [(60, low), (220, high), (100, low), (180, high), (120, low), (150, high), (90, low)]
    assert [(one.left if one.right == base else one.right, one.colour) for one in bars] == [
        (pytest.approx(layout.across(usd, scale)), colour) for usd, colour in expected
    ]


def test_labels_stand_beside_their_bars():
    """Each label is beyond its end; one that does not move takes the free side; two on one side share the bar."""
    sides = [end.side for one in SWINGS for end in ends_of(one)]
    assert sides == ["left", "right", "left", "right", "right", "right", "left"]
    bars, _, _ = bars_of(SWINGS, WIDE)
    assert bars[4].bottom < bars[5].top
    assert bars[0].top == bars[1].top
    assert [end.side for end in ends_of(swing("x", 100, 60))] == ["right", "left"]


def test_every_label_lies_inside_the_plot():
    """With 6.3 pixels a character, no label of an end goes past the plot's edges, however long, nor does the range."""
    long = swing("long", 60, 220, "l" * 300, "h" * 300)
    for swings in (SWINGS, (long,)):
        scale = tornado_scale(swings, RANGE, WIDE.right - WIDE.left, labelled=True, n_ticks=7)
        for end in (end for one in swings for end in ends_of(one)):
            place, length = WIDE.across(float(end.usd), scale), len(end.figure) * 6.3 + 6
            left, right = (place - length, place) if end.side == "left" else (place, place + length)
            assert left >= WIDE.left
            assert right <= WIDE.right
        assert scale.low <= 55.5
        assert scale.high >= 240.1


def test_a_narrow_chart_has_no_word_past_its_edge():
    """On a phone's 328 pixels, words of 6.6 pixels a character end inside, whatever they say."""
    marks, _ = tornado_marks((swing("n" * 90, 60, 220, "l" * 90, "h" * 90), *SWINGS), RANGE, NARROW)
    words = [mark for mark in marks if isinstance(mark, Words) and mark.align == "left"]
    assert max(one.x + len(one.text) * 6.6 for one in words) <= NARROW.width + 14


def test_one_input_without_a_range():
    """One swing is said in the singular, no range is claimed that was not drawn, a page can do without the title."""
    said = " ".join(svg_texts(svg_text(tornado_chart(SWINGS[:1], target="t"))))
    assert "The input that moves the bill most" in said
    assert "draws" not in said
    untitled = " ".join(svg_texts(svg_text(tornado_chart(SWINGS[:1], target="t", titled=False))))
    assert "moves the bill most" not in untitled
    assert png_bytes(tornado_chart(SWINGS[:1], target="t")).startswith(b"\x89PNG")


def test_nothing_to_draw_is_an_error():
    """No swing, no chart."""
    with pytest.raises(InputError, match="No input moves this bill"):
        tornado_chart([], target="t")


def test_the_two_ends_are_told_apart():
    """Both colours keep 3:1 against the paper, as marks must (WCAG 2.2, 1.4.11)."""
    for colour in ENDS.values():
        assert contrast(colour, "#ffffff") >= 3


def test_hostile_names_stay_text():
    """Markup in a name is text in the picture, and control characters are spelt out."""
    svg = svg_text(tornado_chart([swing("<script>x\x1b", 60, 220)], target="<b>"))
    assert "<script>" in "".join(svg_texts(svg))
    assert "\x1b" not in svg
