from __future__ import annotations

from dataclasses import replace

import pytest

from ragopt.errors import SpecError
from ragopt.report.figure import Figure, NoFigure
from ragopt.report.rescoring_chart import MOST_ROWS, rescoring_figure
from ragopt.report.rescoring_info import depth_points
from tests.figures_of_runs import drawn_rows, n_symbols, p50, picture, run_of, tried

BASE = "m@64:none | {},Refine(SQ8) | k_factor_rf={}"


def line(codes, recalls, *, ram=8.0, **changes):
    """One index at several depths."""
    return [tried(BASE.format(codes, depth), recall, ram=ram, **changes) for depth, recall in recalls.items()]


def lines_of(run):
    """Codes of the drawn lines, in order."""
    found = {point.line: point.index.partition(",Refine")[0] for point in depth_points(run) if point.line is not None}
    return [found[number] for number in sorted(found)]


def test_depth_is_in_vectors_and_lines_are_indexes():
    """k_factor_rf=5 at k=10 rescores 50 vectors; without it FAISS rescores k; nprobe makes another line."""
    run = run_of(
        tried("m@64:none | PQ8np,Refine(SQ8)", 0.5),
        tried("m@64:none | PQ8np,Refine(SQ8) | k_factor_rf=5", 0.7),
        tried("m@64:none | IVF4,PQ8np,Refine(SQ8) | nprobe=2,k_factor_rf=5", 0.6),
        tried("m@64:none | PQ8np", 0.4),
    )
    assert [(point.index, point.n_rescored) for point in depth_points(run)] == [
        ("PQ8np,Refine(SQ8)", 10), ("PQ8np,Refine(SQ8)", 50), ("IVF4,PQ8np,Refine(SQ8) | nprobe=2", 50)
    ]  # fmt: skip


def test_depth_is_what_the_searches_asked_for():
    """At k = 3 a search asks for 10 results: k_factor_rf=5 rescores 50, not 15; of 60 vectors 20 rescores all 60."""
    run = run_of(*line("PQ8np", {5: 0.5, 20: 0.9}))
    info = {**run.info, "k": 3, "n_results": 10}
    info["models"] = [{**model, "n_vectors": 60} for model in info["models"]]
    trials = tuple(replace(one, quality={"recall_vs_exact@3": one.quality["recall_vs_exact@10"]}) for one in run.trials)
    run = replace(run, info=info, trials=trials)
    assert [point.n_rescored for point in depth_points(run)] == [50, 60]
    caption = rescoring_figure(run).caption
    assert "10 results that a search asks for times k_factor_rf, at most the whole corpus" in caption


def test_recommended_first_then_finalists_then_the_nearest_size():
    """The recommendation's line comes first, built ones next, then the nearest size, then the ends of the others."""
    results = [
        *line("PQ1np", {2: 0.1, 20: 0.2}, ram=1),
        *line("PQ2np", {2: 0.2, 20: 0.3}, ram=2),
        *line("PQ4np", {2: 0.2, 20: 0.4}, ram=4),
        *line("PQ9np", {2: 0.4, 20: 0.6}, ram=9),
        *line("PQ16np", {2: 0.5, 20: 0.8}, ram=16),
        *line("PQ32np", {2: 0.6, 20: 0.9}, ram=32, confirmed=True),
        *line("PQ8np", {30: 0.7}),
    ]
    run = run_of(*results, chosen=BASE.format("PQ8np", 30))
    assert lines_of(run) == ["PQ8np", "PQ32np", "PQ9np", "PQ1np", "PQ16np"]


def test_the_best_of_a_size_stands_for_it():
    """Of two indexes of one size the one that keeps more at its best depth is drawn; upper bounds do not count."""
    results = [
        *line("PQ8np", {2: 0.5, 20: 0.8}),
        *line("PQ16x4fs", {2: 0.6, 20: 0.7}),
        *line("PCAR32,PQ8np", {2: 0.4, 20: 0.99}, upper_bound=True),
    ]
    assert lines_of(run_of(tried("m@64:none | Flat", 1.0), *results)) == ["PQ8np"]


def test_depths_close_together_are_left_to_the_table():
    """Beside depths ten times apart, 51 and 52 show nothing: only the recommendation may be drawn at such."""
    wide, close = line("PQ8np", {2: 0.5, 20: 0.8}), line("PQ4np", {51: 0.9, 52: 0.91}, ram=4)
    exact = tried("m@64:none | Flat", 1.0)
    assert lines_of(run_of(exact, *wide, *close)) == ["PQ8np"]
    assert lines_of(run_of(*wide, *close, chosen=BASE.format("PQ4np", 52))) == ["PQ4np", "PQ8np"]
    assert lines_of(run_of(exact, *close)) == ["PQ4np"]


def test_table_parses_back_and_tells_bill_from_measurement():
    """Billed CPU time and measured p50 stand in columns of their own, with where each comes from."""
    run = run_of(
        tried(BASE.format("PQ8np", 2), 0.5, cpu_ms_per_query=0.125),
        tried(BASE.format("PQ8np", 20), 0.9, confirmed=True, cpu_ms_per_query=0.25, latency=p50(0.3), upper_bound=True),
        tried(BASE.format("PQ8np", 40), 0.95, upper_bound=True),
        cost_model="measured",
    )
    figure = rescoring_figure(run)
    assert isinstance(figure, Figure)
    assert [(row[1], row[2], row[3], *row[5:]) for row in figure.table.rows] == [
        ("20", "64 B", "0.5000 [0.4900, 0.5100]", "0.1250", "estimated", "", "estimated", "yes"),
        ("200", "64 B", "0.9000 [0.8900, 0.9100]", "0.2500", "measured", "0.3000", "measured", "yes"),
        ("400", "64 B", "0.9500 [0.9400, 0.9600]", "not billed", "", "", "estimated, an upper bound", "yes"),
    ]  # fmt: skip
    assert "was measured where the index was built (filled)" in figure.caption
    recall, time = drawn_rows(figure)
    assert [(row["n_rescored"], row["quality"], row["upper_bound"]) for row in recall] == [
        (20, 0.5, False), (200, 0.9, False), (400, 0.95, True)
    ]  # fmt: skip
    assert [(row["cpu"], row["measured"], row["p50"]) for row in time] == [
        (0.125, False, None), (0.25, True, 0.3), (None, False, None)
    ]  # fmt: skip
    # Three recalls, two times that are billed and a ring for the one that was measured.
    assert n_symbols(picture(figure)) == 3 + 2 + 1


def test_scan_costs_are_never_called_measured():
    """With --cost-model scan the bill's CPU time of a built index is the table's too."""
    results = line("PQ8np", {2: 0.5, 20: 0.9}, confirmed=True, cpu_ms_per_query=0.25)
    figure = rescoring_figure(run_of(*results, cost_model="scan"))
    assert [row[6] for row in figure.table.rows] == ["estimated", "estimated"]
    assert "--cost-model scan" in figure.caption


def test_without_any_time_there_is_one_panel():
    """A run without bills and latencies draws recall alone, and says nothing of time."""
    figure = rescoring_figure(run_of(*line("PQ8np", {2: 0.5, 20: 0.9})))
    assert len(drawn_rows(figure)) == 1
    assert "CPU" not in figure.caption


def test_long_tables_are_cut_and_say_so():
    """The table has the first 200 trials, drawn lines first, and the caption counts the rest."""
    results = [*line("PQ4np", dict.fromkeys(range(1, 251), 0.5), ram=4), *line("PQ8np", {2: 0.5, 20: 0.9})]
    figure = rescoring_figure(run_of(*results, chosen=BASE.format("PQ8np", 20)))
    assert len(figure.table.rows) == MOST_ROWS
    assert "PQ8np" in figure.table.rows[0][0]
    assert "the first 200 of 252 trials" in figure.caption


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([tried("m@64:none | SQ8", 0.9)], "No trial has a rescoring tier."),
        (line("PQ8np", {2: 0.5}), "Every index with a rescoring tier was measured at one depth only."),
        (line("PQ8np", {2: 0.5, 20: 0.9}, status="unsuitable"), "No trial with a rescoring tier could be measured."),
        (line("PQ8np", {2: 0.5, 20: 0.9}, index_bytes=None), "No trial with a rescoring tier could be measured."),
    ],
)
def test_nothing_to_draw_is_said(results, reason):
    """No tier, one depth, or nothing measured give the reason in place of a picture."""
    figure = rescoring_figure(run_of(*results))
    assert isinstance(figure, NoFigure)
    assert figure.reason == reason


def test_a_depth_that_faiss_would_misread_is_an_error():
    """A search string that no sweep writes is refused rather than drawn at another depth."""
    with pytest.raises(SpecError, match="k_factor_rf=x"):
        rescoring_figure(run_of(tried("m@64:none | PQ8np,Refine(SQ8) | k_factor_rf=x", 0.5)))
