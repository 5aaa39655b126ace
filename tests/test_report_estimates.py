from __future__ import annotations

from dataclasses import replace

import pytest

from ragopt.report.estimates_chart import BUILT, MEASURED, estimates_figure
from ragopt.report.estimates_info import estimate_points
from ragopt.report.figure import Figure, NoFigure
from tests.chart_rows import rows_of
from tests.figures_of_runs import drawn_rows, run_of, tried

CHOSEN = "m@64:none | PQ8np,Refine(SQ8) | k_factor_rf=20"
RESULTS = (
    tried("m@64:none | Flat", 1.0, confirmed=True, estimated=1.0, estimate_gap=0.0),
    tried(CHOSEN, 0.95, confirmed=True, estimated=0.96, estimate_gap=0.015625),
    tried("m@64:none | SQ8", 0.98, confirmed=True, estimated=0.97, estimate_gap=-0.0078125),
    tried("m@64:none | SQ6", 0.9, confirmed=True, estimated=0.9),
    tried("m@64:none | SQ4", 0.8),
)


def test_built_is_the_estimate_less_the_gap():
    """0.96 estimated, 0.015625 too high: the index keeps 0.944375 on the same queries; exact search is left out."""
    points = estimate_points(run_of(*RESULTS, chosen=CHOSEN))
    assert [(point.estimated, point.built, point.is_recommended) for point in points] == [
        (0.97, 0.9778125, False), (0.96, 0.944375, True), (0.9, None, False)
    ]  # fmt: skip


def test_marks_and_table_hold_the_records_numbers():
    """Each finalist is drawn on the same queries where the gap was kept, and with its interval on the others."""
    figure = estimates_figure(run_of(*RESULTS, chosen=CHOSEN))
    assert isinstance(figure, Figure)
    (rows,) = drawn_rows(figure)
    assert [(row["series"], row["estimated"], row["value"]) for row in rows] == [
        (MEASURED, 0.97, 0.98), (BUILT, 0.97, 0.9778125), (MEASURED, 0.96, 0.95),
        ("the recommended one", 0.96, 0.944375),
        (MEASURED, 0.9, 0.9),
    ]  # fmt: skip
    assert [(row["low"], row["high"]) for row in rows if row["series"] == MEASURED] == [
        (0.98 - 0.01, 0.98 + 0.01), (0.95 - 0.01, 0.95 + 0.01), (0.9 - 0.01, 0.9 + 0.01)
    ]  # fmt: skip
    assert figure.table.rows == (
        ("m@64:none | SQ8", "0.9700", "0.9778", "-0.0078", "0.9800 [0.9700, 0.9900]", "100"),
        (CHOSEN, "0.9600", "0.9444", "+0.0156", "0.9500 [0.9400, 0.9600]", "100"),
        ("m@64:none | SQ6", "0.9000", "not kept", "not kept", "0.9000 [0.8900, 0.9100]", "100"),
    )


def test_diagonal_and_band_lie_one_point_to_each_side():
    """Both axes have one domain; the diagonal joins its corners and the band is 0.01 above and below."""
    spec = estimates_figure(run_of(*RESULTS)).draw(narrow=False, titled=False).to_dict()
    band, line, *_ = spec["vconcat"][0]["layer"]
    assert line["encoding"]["x"]["scale"]["domain"] == line["encoding"]["y"]["scale"]["domain"]
    low, high = line["encoding"]["x"]["scale"]["domain"]
    assert [(row["estimated"], row["value"]) for row in rows_of(spec, line)] == [(low, low), (high, high)]
    assert [(row["below"], row["above"]) for row in rows_of(spec, band)] == [
        (low - 0.01, low + 0.01), (high - 0.01, high + 0.01)
    ]  # fmt: skip


def test_nothing_is_called_recommended_where_nothing_fits():
    """When no trial meets the limits the trial that is nearest to them is called the closest one."""
    run = run_of(*RESULTS, chosen=CHOSEN)
    run = replace(run, recommendation=replace(run.recommendation, status="nothing_fits"))
    (rows,) = drawn_rows(estimates_figure(run))
    assert [row["series"] for row in rows if row["value"] == 0.944375] == ["the closest one"]


def test_caption_says_which_queries():
    """Other queries are called other only where they are; the largest difference is named."""
    run = run_of(*RESULTS)
    words = estimates_figure(run).caption
    assert "the built index on 2,000 other queries" in words
    assert "the largest difference is 0.0156" in words
    again = replace(run, info=run.info | {"queries": run.info["queries"] | {"confirm_holdout": False}})
    assert "the same queries again (2,000)" in estimates_figure(again).caption
    assert "was not kept" in estimates_figure(run_of(RESULTS[3])).caption


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([RESULTS[4]], "No trial was built on the whole corpus: every figure is an estimate."),
        ([RESULTS[0], RESULTS[4]], "Only exact search was built, which keeps every neighbour by definition."),
        ([tried("m@64:none | SQ8", 0.9, confirmed=True)], "The trials that were built had not been estimated before."),
    ],
)
def test_nothing_to_compare_is_said(results, reason):
    """Nothing built, exact search alone, or no estimate give the reason in place of a picture."""
    figure = estimates_figure(run_of(*results))
    assert isinstance(figure, NoFigure)
    assert figure.reason == reason
