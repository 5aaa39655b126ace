"""A measurement of serving as text and as a chart: what is said, and only what holds."""

import io

import pytest
from rich.console import Console

from ragopt.errors import InputError
from ragopt.report.labels import Box
from ragopt.report.pictures import png_bytes, svg_text
from ragopt.report.serve_chart import serve_chart, write_serve_chart
from ragopt.report.serve_frame import frame_of, limit_box
from ragopt.report.serve_text import print_serve_bench
from tests.chart_rows import rows_of
from tests.serve_example import ROWS, a_bench, a_row
from tests.test_report_charts import svg_texts


def printed(bench, width=80):
    out = io.StringIO()
    print_serve_bench(bench, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def test_tables_hold_every_figure_with_its_interval_and_n():
    """Batch size, throughput, three percentiles, n and the fill of the batches; the recommended one is starred."""
    told = printed(a_bench(warnings=("Mind this.",)))
    assert told.startswith("1,000 different questions, 5 passages each, 2 processor cores, seed 0.\n")
    alone, callers = told.split("32 callers through the batcher (it waits 0 ms at most)")
    for table in (alone, callers):
        lines = table.splitlines()
        row = next(number for number, line in enumerate(lines) if "2,000" in line and "4.00" in line)
        assert lines[row].replace("*", "").split() == ["8", "2,000", "4.00", "8.00", "16.0", "12,800"]
        assert lines[row + 1].replace(",", "").split() == [
            "(7.9)", "[1900", "2100]", "[3.20", "5.33]", "[6.40", "10.67]", "[15.0", "18.0]",
        ]  # fmt: skip
    assert "8*" in callers
    assert "*" not in alone
    assert "none" in callers
    assert "[50.0, ?]" in callers
    assert "Serve with max_queries = 8. Batches of at most 8 answer" in told
    assert "warning: Mind this.\n" in told


def test_a_terminal_of_80_columns_holds_wide_figures():
    """Six figures of throughput and four of milliseconds are folded where they do not fit; nothing is cut."""
    wide = a_row(128, (253_246.2, 216_117.9, 359_749.7), (4321.5, 3800.2, 5124.9))
    tiny = a_row(1, (15_228, 11_628, 15_810), (0.077, 0.075, 0.080))
    told = printed(a_bench(rows=(tiny, wide)))
    for phrase in ("[216,118,", "359,750]", "[3,800, 5,125]", "[0.075, 0.080]", "4,322", "0.019", "12,800"):
        assert phrase in told
    assert "\N{HORIZONTAL ELLIPSIS}" not in told
    assert max(map(len, told.splitlines())) <= 80


def test_none_recommended_is_said_once():
    """Without a size within the limit nothing is starred and the reason begins the last sentence."""
    told = printed(a_bench(limit=5.0), width=200)
    assert "No batch size is recommended: none has its p99 surely within 5 ms." in told
    assert "Serve with" not in told
    assert "*" not in told


def test_the_chart_says_sizes_limit_and_recommendation():
    """Labels of all sizes and of no batcher, the limit, both axes with their units, and the reason in words."""
    said = " ".join(svg_texts(svg_text(serve_chart(a_bench()))))
    for phrase in (
        "8, recommended", "no batcher", "limit 20 ms", "p99 from question to answer, ms", "questions a second",
        "Serve with max_queries = 8.", "32 callers at once", "Dashed to the right edge",
    ):  # fmt: skip
        assert phrase in said
    plain = " ".join(svg_texts(svg_text(serve_chart(a_bench(limit=None), titled=False))))
    assert "limit" not in plain
    assert "32, recommended" in plain
    assert "Serve with" not in plain


def test_one_ring_and_only_around_the_recommended_mark():
    """The ring lies at 2,000 questions a second and 16 ms; without a recommendation there is none."""

    def rings(bench):
        spec = serve_chart(bench).to_dict()
        return [rows_of(spec, layer)[0] for layer in spec["layer"] if layer["mark"].get("size") == 330]

    assert [(one["rate"], one["p99"]) for one in rings(a_bench())] == [(2000, 16.0)]
    assert rings(a_bench(limit=5.0)) == []


def test_an_unknown_upper_end_reaches_the_edge_dashed():
    """The p99 without an upper end is drawn to the end of the axis, and no other interval is dashed."""
    bench = a_bench(limit=None)
    spec = serve_chart(bench).to_dict()
    dashed = [layer for layer in spec["layer"] if layer["mark"].get("strokeDash")]
    assert len(dashed) == 1
    assert rows_of(spec, dashed[0])[0]["p99_high"] == frame_of(bench, 680, 420).x.high


@pytest.mark.parametrize("limit", [20.0, 75.0])
def test_the_limit_is_named_inside_the_plot(limit):
    """The limit's name stands right of its line, and left of it at the right edge."""
    bench = a_bench(limit=limit)
    frame = frame_of(bench, 680, 420)
    box, (x, _) = limit_box(bench, frame), frame.pixel(limit, 2000)
    assert isinstance(box, Box)
    assert box.left >= 0
    assert box.right <= 680
    assert (box.left > x) == (limit == 20.0)


def test_pictures_are_written_and_other_files_refused(tmp_path):
    """A .png and an .svg hold the chart; another suffix is refused with its name."""
    bench = a_bench(rows=ROWS[:1])
    for name in ("a.png", "b.SVG"):
        write_serve_chart(bench, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == png_bytes(serve_chart(bench))
    assert (tmp_path / "b.SVG").read_text(encoding="utf-8").startswith("<svg")
    with pytest.raises(InputError, match=r"Cannot draw a\.pdf"):
        write_serve_chart(bench, tmp_path / "a.pdf")
