from decimal import Decimal

import pytest

from ragopt.bill.monte_carlo import BillRange
from ragopt.bill.tornado import Swing
from ragopt.errors import InputError
from ragopt.report.pictures import png_bytes, svg_text
from ragopt.report.tornado_chart import ENDS, tornado_chart
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


def rows_of(chart):
    """The rows of the first layer that has bars."""
    return next(
        layer["data"]["values"] for layer in chart.to_dict()["layer"] if layer["mark"]["type"] == "rect"
        and "base" in layer["data"]["values"][0]
    )  # fmt: skip


def test_the_chart_says_inputs_figures_bills_and_range():
    """Names, the input's figure and unit at each end, the bills, their base line, axis, colours and range in words."""
    said = " ".join(svg_texts(svg_text(tornado_chart(SWINGS, target="faiss-ram", found=RANGE))))
    for phrase in (
        "The 4 inputs that move the bill most",
        "peak load and queries", "5 QPS at the peak", "20 QPS at the peak", "USD 60.00 to 220.00",
        "bill: USD 100.00", "USD per month",
        "low end: USD 90.00, high end: refused",
        "the input at its low end", "the input at its high end",
        "the middle 95 % of 256 draws of all inputs together, USD 55.50 to 240.10",
    ):  # fmt: skip
        assert phrase in said
    assert "4 million" not in said


def test_bars_reach_from_the_bill_to_each_end():
    """One row per end that is sold, in order, each from 100 USD to its own bill."""
    rows = rows_of(tornado_chart(SWINGS, target="t"))
    assert {row["base"] for row in rows} == {100.0}
    assert [row["usd"] for row in rows] == [60.0, 220.0, 100.0, 180.0, 120.0, 150.0, 90.0]
    assert [row["kind"] for row in rows] == [*list(ENDS) * 3, next(iter(ENDS))]


def test_labels_stand_beside_their_bars():
    """Each label is beyond its end; one that does not move takes the free side; two on one side share the row."""
    rows = rows_of(tornado_chart(SWINGS, target="t"))
    assert [row["side"] for row in rows] == ["left", "right", "left", "right", "right", "right", "left"]
    upper, lower = rows[4], rows[5]
    assert upper["bottom"] < lower["top"]
    assert rows[0]["top"] == rows[1]["top"]
    falling = rows_of(tornado_chart([swing("x", 100, 60)], target="t"))
    assert [row["side"] for row in falling] == ["right", "left"]


@pytest.mark.parametrize("width", [350, 640])
def test_every_label_lies_inside_the_plot(width):
    """With 6.3 pixels a character, no label of an end goes past the plot's edges, nor does the range."""
    chart = tornado_chart(SWINGS, target="t", found=RANGE, width=width)
    bars = next(layer for layer in chart.to_dict()["layer"] if "color" in layer["encoding"])
    low, high = bars["encoding"]["x"]["scale"]["domain"]
    for row in rows_of(chart):
        place, length = (row["usd"] - low) / (high - low) * width, len(row["figure"]) * 6.3 + 6
        left, right = (place - length, place) if row["side"] == "left" else (place, place + length)
        assert left >= 0
        assert right <= width
    assert low <= 55.5
    assert high >= 240.1


def test_one_input_without_a_range():
    """One swing is said in the singular, no range is claimed that was not drawn, a page can do without the title."""
    said = " ".join(svg_texts(svg_text(tornado_chart(SWINGS[:1], target="t"))))
    assert "The input that moves the bill most" in said
    assert "draws" not in said
    untitled = " ".join(svg_texts(svg_text(tornado_chart(SWINGS[:1], target="t", titled=False))))
    assert "moves the bill most" not in untitled
    assert png_bytes(tornado_chart(SWINGS[:1], target="t")).startswith(b"\x89PNG")


def test_nothing_to_draw_is_an_error():
    """No swing, no chart; and a plot too narrow for its labels is refused, not drawn over its edges."""
    with pytest.raises(InputError, match="No input moves this bill"):
        tornado_chart([], target="t")
    with pytest.raises(InputError, match="A plot of 200 pixels has no room"):
        tornado_chart(SWINGS, target="t", width=200)


def test_the_two_ends_are_told_apart():
    """Both colours keep 3:1 against the paper, as marks must (WCAG 2.2, 1.4.11)."""
    for colour in ENDS.values():
        assert contrast(colour, "#ffffff") >= 3


def test_hostile_names_stay_text():
    """Markup in a name is text in the picture, and control characters are spelt out."""
    svg = svg_text(tornado_chart([swing("<script>x\x1b", 60, 220)], target="<b>"))
    assert "<script>" in "".join(svg_texts(svg))
    assert "\x1b" not in svg
