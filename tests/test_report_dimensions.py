from __future__ import annotations

import pytest

from ragopt.records import Trial
from ragopt.report.dimensions_chart import dimensions_figure
from ragopt.report.dimensions_info import dimension_points
from ragopt.report.figure import Figure, NoFigure
from tests.chart_rows import rows_of
from tests.figures_of_runs import RECALL, drawn_rows, picture, run_of, scores, tried

EXACT = tried("m@8:none | Flat", 1.0, ndcg=0.5, n_queries=4, per_query=scores(1.0, 0.0, 0.5, 0.5))


def drawn(*results):
    return [(str(point.space), point.trial.split(" | ")[1]) for point in dimension_points(run_of(*results))]


def test_a_space_is_drawn_by_its_most_exact_codes():
    """Flat before SQfp16 before SQ8, whatever is better; else the best; never a rescored one."""
    assert drawn(
        tried("m@8:none | SQ8", 0.99),
        tried("m@8:none | SQfp16", 0.98),
        tried("m@4:pca | SQ4", 0.7),
        tried("m@4:pca | PQ2np", 0.8),
        tried("m@4:pca | PQ2np,Refine(SQ8) | k_factor_rf=4", 0.99),
        tried("m@2:pca | SQ8", 0.3),
        tried("m@2:pca | Flat", 0.2),
    ) == [("m@8:none", "SQfp16"), ("m@4:pca", "PQ2np"), ("m@2:pca", "Flat")]


def test_order_is_model_reduction_dimension():
    """Models by name, full dimension first, then truncation, PCA and joint rotations, each from the largest."""
    names = ["n@4:trunc", "m@4:joint", "m@2:pca", "m@4:pca", "m@4:trunc", "n@8:none", "m@8:none"]
    assert [space for space, _ in drawn(*(tried(f"{name} | SQ8", 0.5) for name in names))] == [
        "m@8:none", "m@4:trunc", "m@4:pca", "m@2:pca", "m@4:joint", "n@8:none", "n@4:trunc"
    ]  # fmt: skip


def test_exact_search_is_compared_on_the_trials_own_queries():
    """A trial dropped after two queries stands beside exact search's mean over those two: (1 + 0) / 2."""
    dropped = tried("m@4:pca | SQ8", 0.7, ndcg=0.45, n_queries=2, per_query=scores(0.9, 0.0), status="dropped")
    points = dimension_points(run_of(EXACT, dropped))
    assert [point.exact_ndcg for point in points] == [None, 0.5]
    longer = tried("m@4:pca | SQ8", 0.7, ndcg=0.5, n_queries=5, per_query=scores(1, 1, 0, 0, 0.5))
    assert [point.exact_ndcg for point in dimension_points(run_of(EXACT, longer))] == [None, None]


def test_selection_scores_of_a_built_exact_search_are_taken():
    """Exact search that was built keeps its selection scores beside the others; an estimate is compared on those."""
    built = tried("m@8:none | Flat", 1.0, ndcg=0.9, confirmed=True, per_query={
        **scores(0.9, 0.9), "selection/ndcg@10": scores(0.25, 0.75)["ndcg@10"]})  # fmt: skip
    estimated = tried("m@4:pca | SQ8", 0.7, ndcg=0.4, per_query=scores(0.2, 0.6))
    assert dimension_points(run_of(built, estimated))[1].exact_ndcg == 0.5


def test_table_parses_back_to_the_records():
    """Each row has the trial, its dimension and the record's figures."""
    run = run_of(EXACT, tried("m@4:pca | SQ8", 0.71234, ndcg=0.41, upper_bound=True), tried("m@2:pca | SQ8", 0.5))
    figure = dimensions_figure(run)
    assert isinstance(figure, Figure)
    assert [column.title for column in figure.table.columns[:3]] == ["Trial", "Dimension", f"{RECALL} [95 %]"]
    for row, point in zip(figure.table.rows, dimension_points(run), strict=True):
        assert Trial.parse(row[0]).space == point.space
        value, interval = row[2].split(" ", 1)
        assert (int(row[1]), float(value), int(row[3])) == (
            point.space.dim, pytest.approx(point.recall.value, abs=5e-5), point.recall.n_queries
        )  # fmt: skip
        assert interval == f"[{point.recall.low:.4f}, {point.recall.high:.4f}]"
    assert [row[4] for row in figure.table.rows] == ["0.5000 [0.4500, 0.5500]", "0.4100 [0.3600, 0.4600]", "not judged"]
    assert [row[-1] for row in figure.table.rows] == ["estimated", "estimated, an upper bound", "estimated"]


def test_marks_hold_the_records_numbers_and_bounds_are_signed():
    """A mark has its dimension, mean and interval; an upper bound of recall carries its sign, its nDCG none."""
    figure = dimensions_figure(run_of(EXACT, tried("m@4:pca | SQ8", 0.7, ndcg=0.4, upper_bound=True)))
    recall, ndcg = drawn_rows(figure)
    assert [(row["dim"], row["quality"], row["low"], row["high"]) for row in recall] == [
        (8, 1.0, 0.99, 1.0), (4, 0.7, 0.7 - 0.01, 0.7 + 0.01)
    ]  # fmt: skip
    assert [row["upper_bound"] for row in recall] == [False, True]
    assert [row["upper_bound"] for row in ndcg] == [False, False]
    texts = ["".join(element.itertext()) for element in picture(figure).iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("\u2264") == 1
    assert "\u2264: an upper bound" in figure.caption


def test_without_judgements_there_is_one_panel():
    """Judged quality is neither drawn nor tabled nor spoken of where no query was judged."""
    figure = dimensions_figure(run_of(tried("m@8:none | Flat", 1.0), tried("m@4:trunc | SQ8", 0.6)))
    assert len(drawn_rows(figure)) == 1
    assert "nDCG" not in figure.caption + "".join(column.title for column in figure.table.columns)


def test_a_line_is_not_drawn_between_means_over_other_queries():
    """The line of nDCG starts at the full dimension only where that has the same queries; recall's always does."""
    dropped = tried("m@4:pca | SQ8", 0.7, ndcg=0.45, n_queries=2, per_query=scores(0.9, 0.0))
    lower = tried("m@2:pca | SQ8", 0.6, ndcg=0.35, n_queries=2, per_query=scores(0.7, 0.0))
    other = tried("m@8:none | Flat", 1.0, ndcg=0.6, n_queries=4, per_query=scores(1.0, 0.0, 0.9, 0.5))

    def n_joined(*results):
        spec = dimensions_figure(run_of(*results)).draw(narrow=False, titled=False).to_dict()
        return [len(rows_of(spec, part["layer"][0])) for part in spec["vconcat"]]

    assert n_joined(other, dropped, lower) == [3, 2]
    same = tried("m@4:pca | SQ8", 0.7, ndcg=0.45, n_queries=4, per_query=scores(0.9, 0.0, 0.4, 0.5))
    assert n_joined(EXACT, same, lower) == [3, 3]


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([tried("m@8:none | Flat", 1.0), tried("n@8:none | Flat", 1.0)],
         "Every model was swept at one dimension only."),
        ([tried("m@8:none | Flat", 1.0), tried("m@4:pca | PQ2np,Refine(SQ8) | k_factor_rf=4", 0.9)],
         "No model has trials without a rescoring tier at two dimensions, which a comparison of dimensions needs."),
    ],
)  # fmt: skip
def test_nothing_to_compare_is_said(results, reason):
    """One dimension a model, or rescored trials alone, give the reason in place of a picture."""
    figure = dimensions_figure(run_of(*results))
    assert isinstance(figure, NoFigure)
    assert figure.reason == reason


def test_unsuitable_trials_are_left_out():
    """A trial that could not be trained stands for nothing."""
    unsuitable = tried("m@4:pca | Flat", 0.9, status="unsuitable")
    assert drawn(EXACT, unsuitable, tried("m@4:pca | SQ8", 0.7)) == [("m@8:none", "Flat"), ("m@4:pca", "SQ8")]
