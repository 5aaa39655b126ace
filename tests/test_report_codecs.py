from __future__ import annotations

import pytest

from ragopt.records import Trial
from ragopt.report.codecs_chart import MOST_ROWS, codecs_figure
from ragopt.report.codecs_info import codec_points
from ragopt.report.figure import Figure, NoFigure
from tests.figures_of_runs import drawn_rows, run_of, tried

RESULTS = (
    tried("m@64:none | Flat", 1.0, ram=256),
    tried("m@64:none | SQ8", 0.99, ram=64),
    tried("m@64:none | SQ4", 0.9, ram=32),
    tried("m@64:none | PQ16np", 0.7, ram=16),
    tried("m@64:none | PQ8np,Refine(SQ8) | k_factor_rf=2", 0.6, ram=8),
    tried("m@64:none | PQ8np,Refine(SQ8) | k_factor_rf=20", 0.95, ram=8),
    tried("m@64:none | PCAR32,PQ16np,Refine(SQ8) | k_factor_rf=20", 0.94, ram=16),
    tried("m@32:pca | SQ8", 0.8, ram=32),
    tried("m@32:trunc | SQ8", 0.7, ram=32),
)


def kept(*results):
    return {point.trial for point in codec_points(run_of(*results)) if point.kept}


def test_the_best_of_each_size_is_kept_by_kind_and_tier():
    """Deeper rescoring wins at its size; more bytes for less are beaten; another kind, tier or space beats nothing."""
    assert kept(*RESULTS) == {
        "m@64:none | Flat", "m@64:none | SQ8", "m@64:none | SQ4", "m@64:none | PQ16np",
        "m@64:none | PQ8np,Refine(SQ8) | k_factor_rf=20", "m@32:pca | SQ8",
    }  # fmt: skip


def test_one_trial_stands_for_a_space_a_kind_a_tier_and_a_size():
    """Of two depths at the same codes the table has the better one; both reduced spaces are there."""
    trials = [point.trial for point in codec_points(run_of(*RESULTS))]
    assert "m@64:none | PQ8np,Refine(SQ8) | k_factor_rf=2" not in trials
    assert len(trials) == 8


def test_an_upper_bound_beats_nothing():
    """A recall that may be lower leaves what was measured in the chart, even at its own size; it is signed itself."""
    bound = tried("m@64:none | PQ4np", 0.8, ram=4, upper_bound=True)
    measured = tried("m@64:none | PQ8np", 0.5, ram=8)
    assert kept(RESULTS[0], bound, measured) == {str(r.trial) for r in (RESULTS[0], bound, measured)}
    same_size = tried("m@64:none | PCAR32,PQ8np", 0.9, ram=8, upper_bound=True)
    assert {point.trial for point in codec_points(run_of(measured, same_size))} == {str(measured.trial)}
    built = tried("m@64:none | PQ4np", 0.8, ram=4, upper_bound=True, confirmed=True)
    assert not codec_points(run_of(built))[0].upper_bound


def test_table_parses_back_to_the_records():
    """Each row has the record's size, recall and queries, and says whether it is drawn."""
    run = run_of(*RESULTS, tried("n@64:none | SQ8", 0.98, ram=64))
    figure = codecs_figure(run)
    assert isinstance(figure, Figure)
    points = {point.trial: point for point in codec_points(run)}
    assert {row[0] for row in figure.table.rows} == set(points)
    for row in figure.table.rows:
        point = points[row[0]]
        assert float(row[3].removesuffix(" B")) == point.ram_bytes_per_vector
        assert row[4] == f"{point.recall.value:.4f} [{point.recall.low:.4f}, {point.recall.high:.4f}]"
        assert int(row[5]) == point.recall.n_queries
        assert (row[1], row[2]) == (point.codec, "yes" if "Refine" in row[0] else "no")
        assert row[-1] == ("yes" if point.kept and Trial.parse(row[0]).space.model == "m" else "no")
    assert "3 beaten trials and the other models are left to the table." in figure.caption


def test_reduced_spaces_have_a_panel_of_their_own():
    """Full dimension above, reduced spaces below; rescored and codes alone are told apart in the data."""
    full, reduced = drawn_rows(codecs_figure(run_of(*RESULTS)))
    assert [(row["bytes"], row["series"], row["tier"]) for row in full] == [
        (8, "PQ 8-bit", "rescored"), (16, "PQ 8-bit", "codes alone"), (32, "scalar (SQ)", "codes alone"),
        (64, "scalar (SQ)", "codes alone"), (256, "float32", "codes alone"),
    ]  # fmt: skip
    assert [(row["trial"], row["quality"], row["low"]) for row in reduced] == [("m@32:pca | SQ8", 0.8, 0.8 - 0.01)]
    assert len(drawn_rows(codecs_figure(run_of(*RESULTS[:4])))) == 1


def test_long_tables_are_cut_and_say_so():
    """The table has the first 200 trials, drawn ones among them, and the caption counts the rest."""
    many = [tried(f"m@64:none | PQ8np,Refine(SQ8) | k_factor_rf={n}", 0.3, ram=1000 + n) for n in range(1, 300)]
    figure = codecs_figure(run_of(*RESULTS, *many))
    assert len(figure.table.rows) == MOST_ROWS
    assert [row[-1] for row in figure.table.rows[:6]] == ["yes"] * 6
    assert "the first 200 of 307 trials" in figure.caption


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([tried("m@64:none | SQ8", 0.9, index_bytes=None)], "no trial was measured"),
        ([tried("m@64:none | SQ8", 0.9), tried("m@64:none | SQ4", 0.9, ram=32, status="unsuitable")],
         "all trials that were measured have codes of one size"),
    ],
)  # fmt: skip
def test_nothing_to_compare_is_said(results, reason):
    """Trials without bytes, unsuitable ones and a single size give a reason in place of a picture."""
    figure = codecs_figure(run_of(*results))
    assert isinstance(figure, NoFigure)
    assert reason in figure.reason
