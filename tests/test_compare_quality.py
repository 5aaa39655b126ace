"""What is said of quality between two runs: paired by query, else two means, nothing where figures differ in kind."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.compare.comparing import compare_runs
from ragopt.compare.pairing import common_rows, enough
from ragopt.errors import ArtifactError
from ragopt.measure.intervals import best_lower_bound, independent_difference, paired_difference
from ragopt.records import Quality
from tests.compared import NDCG, RECALL, asked, query, write_run

A, B = Quality(0.9, 0.86, 0.93, 100), Quality(0.8, 0.76, 0.83, 200)


def only(found):
    """The one quality of a comparison."""
    [one] = found.quality
    return one


def test_scores_pair_by_text_whatever_their_order(tmp_path):
    """B minus A is taken query by query: 0.5 - 1, 1 - 1, 0 - 0.5 and 0.5 - 0 make -0.125, not what the rows give."""
    texts = ["one", "two", "three", "four"]
    a = write_run(tmp_path / "a", {RECALL: [1, 1, 0.5, 0]}, [query(n, text) for n, text in enumerate(texts)])
    b = write_run(tmp_path / "b", {RECALL: [0.5, 0, 1, 0.5]},
                  [query(n, text, name=f"b{n}") for n, text in enumerate(["four", "three", "two", "one"])])  # fmt: skip
    found = compare_runs(a, b)
    one = only(found)
    assert (one.paired, one.comparable, one.reason) == (True, True, "")
    assert one.difference == paired_difference([0.5, 1, 0, 0.5], [1, 1, 0.5, 0])
    assert one.difference.value == -0.125
    assert (found.pairing.n_a, found.pairing.n_b, found.pairing.n_common, found.pairing.reason) == (4, 4, 4, "")


def test_only_common_queries_are_paired(tmp_path):
    """Of 150 and 150 queries 120 coincide: the difference is over those, the figures beside it over all."""
    rng = np.random.default_rng(0)
    mine, yours = rng.integers(0, 11, 150) / 10, rng.integers(0, 11, 150) / 10
    a = write_run(tmp_path / "a", {RECALL: mine.tolist()}, asked(150))
    b = write_run(tmp_path / "b", {RECALL: yours.tolist()}, asked(150, first=30))
    found = compare_runs(a, b)
    one = only(found)
    assert found.pairing.n_common == one.difference.n == 120
    assert one.paired
    assert one.difference.value == pytest.approx((yours[:120] - mine[30:]).mean(), abs=1e-7)
    assert (one.a.n_queries, one.b.n_queries) == (150, 150)


def test_unpaired_difference_by_hand(tmp_path):
    """0.8 - 0.9 = -0.1; its ends are √(0.04² + 0.03²) = 0.05 away, by 0.04 of the one and 0.03 of the other."""
    a = write_run(tmp_path / "a", {}, None, figures={RECALL: A})
    b = write_run(tmp_path / "b", {}, None, figures={RECALL: B})
    one = only(compare_runs(a, b))
    assert not one.paired
    assert one.comparable
    assert (one.difference.value, one.difference.low, one.difference.high) == pytest.approx((-0.1, -0.15, -0.05))
    assert one.fell
    assert any("both runs keep no queries.parquet" in note for note in one.notes)


@settings(deadline=None)
@given(*[st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)).map(sorted)] * 2)
def test_unpaired_differences_change_sign_with_their_order(first, second):
    """A minus B is minus (B minus A), ends swapped, and the value lies inside."""
    a, b = (Quality(value, low, high, 100) for low, value, high in (first, second))
    one, other = independent_difference(a, b), independent_difference(b, a)
    assert (one.value, one.low, one.high) == (-other.value, -other.high, -other.low)
    assert one.low <= one.value <= one.high


def test_a_run_compared_with_itself_is_all_zero(tmp_path):
    """Every difference is zero, nothing changed, nothing fails."""
    scores = {RECALL: [1, 0.9, 0.4], NDCG: [0.3, 0.2, 0.1]}
    run = write_run(tmp_path, scores, asked(3, judgements="j"))
    found = compare_runs(run, run)
    assert [one.difference.value for one in found.quality] == [0, 0]
    assert all(one.paired for one in found.quality)
    assert (found.recommendation, found.inputs, found.bill.increase, found.failures) == ((), (), 0, ())
    assert all(one.a == one.b for one in found.sizes)
    assert found.exit_code == 0


def test_a_fall_beyond_the_interval_fails(tmp_path):
    """Twenty of 200 queries lose half of their neighbours: -0.05, all of the interval below zero, exit code 4."""
    good, bad = [1.0] * 200, [0.5] * 20 + [1.0] * 180
    a = write_run(tmp_path / "a", {RECALL: good}, asked(200))
    b = write_run(tmp_path / "b", {RECALL: bad}, asked(200))
    found = compare_runs(a, b)
    assert only(found).difference.value == pytest.approx(-0.05)
    assert (only(found).fell, found.failures, found.exit_code) == (True, ("quality",), 4)
    back = compare_runs(b, a)
    assert (only(back).fell, back.failures) == (False, ())


def test_a_fall_inside_the_interval_passes(tmp_path):
    """One lost neighbour in 200 queries may be chance: it is shown and fails nothing."""
    a = write_run(tmp_path / "a", {RECALL: [1.0] * 200}, asked(200))
    b = write_run(tmp_path / "b", {RECALL: [0.9] + [1.0] * 199}, asked(200))
    found = compare_runs(a, b)
    assert only(found).difference.value < 0 < only(found).difference.high
    assert found.exit_code == 0


def test_between_models_recall_is_shown_and_not_compared(tmp_path):
    """Each model is measured against itself: a fall of 0.5 says nothing, and nothing else to compare fails the gate."""
    a = write_run(tmp_path / "a", {RECALL: [1.0] * 200}, asked(200))
    b = write_run(tmp_path / "b", {RECALL: [0.5] * 200}, asked(200), model="other")
    found = compare_runs(a, b)
    one = only(found)
    assert (one.a.value, one.b.value, one.difference, one.comparable, one.fell) == (1.0, 0.5, None, False, False)
    assert "the models differ" in one.reason
    assert (found.failures, found.exit_code) == (("nothing_comparable",), 4)


def test_between_models_judged_quality_is_compared(tmp_path):
    """The same judged queries are a fair measure of two models: the gate rests on them alone."""
    scores = {RECALL: [1.0] * 200, NDCG: [0.5] * 200}
    a = write_run(tmp_path / "a", scores, asked(200, judgements="j"))
    b = write_run(tmp_path / "b", {RECALL: [0.5] * 200, NDCG: [0.6] * 200}, asked(200, judgements="j"), model="other")
    found = compare_runs(a, b)
    assert [one.comparable for one in found.quality] == [False, True]
    assert found.quality[1].difference.value == pytest.approx(0.1)
    assert found.exit_code == 0


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"arguments": {"metric": "ip"}}, "exact search is by cosine in A and by ip in B"),
        (
            {"models": [{"name": "wordllama", "dim": 64, "device": "cpu", "n_vectors": 8988, "exact": {}}]},
            "have 256 and 64 dimensions",
        ),
        ({"arguments": {"ready": {"vectors": "v.npy", "query_vectors": "q.npy"}}}, "the other was given vectors"),
    ],
)
def test_recall_against_another_exact_search_is_not_compared(tmp_path, info, said):
    """Another metric, another model under the same name or vectors of unknown origin have other neighbours."""
    a = write_run(tmp_path / "a", {RECALL: [1.0] * 3}, asked(3))
    b = write_run(tmp_path / "b", {RECALL: [0.1] * 3}, asked(3), info=info)
    one = only(compare_runs(a, b))
    assert not one.comparable
    assert said in one.reason


def test_two_corpora_are_compared_and_said(tmp_path):
    """Another corpus has other neighbours: still each index's share of its own, which the note says."""
    a = write_run(tmp_path / "a", {RECALL: [1.0] * 3}, asked(3))
    b = write_run(tmp_path / "b", {RECALL: [1.0] * 3}, asked(3), info={"corpus": {"fingerprint": "ffff"}})
    one = only(compare_runs(a, b))
    assert one.paired
    assert any(note.startswith("The corpora differ: each figure is the share") for note in one.notes)


def test_other_chunks_of_one_corpus_are_said(tmp_path):
    """The same documents cut otherwise are no other corpus: the note speaks of chunks."""
    a = write_run(tmp_path / "a", {RECALL: [1.0] * 3, NDCG: [1.0] * 3}, asked(3, judgements="j"))
    b = write_run(tmp_path / "b", {RECALL: [1.0] * 3, NDCG: [1.0] * 3}, asked(3, judgements="j"),
                  info={"arguments": {"chunk": {"chunk_tokens": 64, "chunk_overlap": 8}}})  # fmt: skip
    assert [one.notes[0] for one in compare_runs(a, b).quality] == [
        "The corpus is cut otherwise: each figure is the share of its own chunks that are exact neighbours.",
        "The corpus is cut otherwise: a document is found by its best chunk.",
    ]


def test_synthetic_and_real_queries_are_not_compared(tmp_path):
    """Queries made from the corpus are of another kind than real ones."""
    a = write_run(tmp_path / "a", {RECALL: [1.0] * 3}, asked(3), synthetic=True)
    b = write_run(tmp_path / "b", {RECALL: [1.0] * 3}, asked(3))
    assert "made from its corpus" in only(compare_runs(a, b)).reason


def test_other_judgements_are_not_compared(tmp_path):
    """The same queries under other judgements, or other queries by unknown ones: nDCG is not the same measure."""
    a = write_run(tmp_path / "a", {NDCG: [0.5] * 3}, asked(3, judgements="one"))
    other = write_run(tmp_path / "b", {NDCG: [0.5] * 3}, asked(3, judgements="two"))
    assert "older run does not say" in only(compare_runs(a, other)).reason
    told = [
        write_run(tmp_path / name, {NDCG: [0.5] * 3}, asked(3, judgements=name),
                  info={"queries": {"n_select": 3, "n_confirm": 3, "qrels_fingerprint": fingerprint}})
        for name, fingerprint in (("c", "x"), ("d", "y"), ("e", "x"))
    ]  # fmt: skip
    assert "same judgements" in only(compare_runs(told[0], told[1])).reason
    one = only(compare_runs(told[0], told[2]))  # one file of judgements: other queries of it are two samples
    assert (one.comparable, one.paired) == (True, False)


def test_queries_judged_otherwise_are_left_out(tmp_path):
    """Of 150 common queries 10 were judged anew: the other 140 are paired, and that is said."""
    a = write_run(tmp_path / "a", {NDCG: [0.5] * 150}, asked(150, judgements="old"))
    queries = [replace(one, judgements="new") if place < 10 else one
               for place, one in enumerate(asked(150, judgements="old"))]  # fmt: skip
    b = write_run(tmp_path / "b", {NDCG: [1.0] * 10 + [0.5] * 140}, queries)
    one = only(compare_runs(a, b))
    assert (one.difference.n, one.difference.value) == (140, 0)
    assert "10 common queries are judged otherwise in B and left out." in one.notes


def test_another_k_is_another_quality(tmp_path):
    """recall_vs_exact@10 and @20 stand beside each other, each only in one run, and nothing is compared."""
    a = write_run(tmp_path / "a", {RECALL: [1.0] * 3}, asked(3))
    b = write_run(tmp_path / "b", {"recall_vs_exact@20": [1.0] * 3}, asked(3))
    found = compare_runs(a, b)
    assert [(one.name, one.reason) for one in found.quality] == [
        (RECALL, "only A measured it"), ("recall_vs_exact@20", "only B measured it"),
    ]  # fmt: skip
    assert found.failures == ("nothing_comparable",)


def test_scores_of_an_unbuilt_trial_are_of_the_racing_order(tmp_path):
    """What was not built has scores of the first queries of the racing order: those are paired, as estimates."""
    queries = [replace(one, select=2 - one.select) for one in asked(3)]
    a = write_run(tmp_path / "a", {RECALL: [0.1, 0.2, 0.3]}, asked(3))
    b = write_run(tmp_path / "b", {RECALL: [0.3, 0.2]}, queries, confirmed=False)
    one = only(compare_runs(a, b))
    assert (one.paired, one.difference.n, one.difference.value) == (True, 2, pytest.approx(0, abs=1e-7))
    assert "B's figure is an estimate: no index was built." in one.notes


def test_a_text_asked_twice_is_known_by_its_id():
    """Two queries of one text are told apart by id; without a match they stay alone."""
    a = [query(0, "same", name="x"), query(1, "same", name="y"), query(2, "other", name="z")]
    b = [query(0, "other", name="zz"), query(1, "same", name="y")]
    assert common_rows(a, b) == [(1, 1), (2, 0)]


@pytest.mark.parametrize(
    ("n_common", "n_a", "n_b", "is_enough"),
    [(99, 150, 1000, False), (100, 150, 1000, True), (50, 50, 1000, True), (49, 50, 1000, False), (1, 1, 1, False),
     (100, 1000, 1000, False), (499, 1000, 2000, False), (500, 1000, 2000, True), (100, 201, 201, False)],
)  # fmt: skip
def test_half_of_the_smaller_set_and_a_hundred_or_all_of_it(n_common, n_a, n_b, is_enough):
    """Fewer pairs say less than two means over all queries."""
    assert enough(n_common, n_a, n_b) is is_enough


def test_a_hundred_common_queries_do_not_outvote_two_thousand(tmp_path):
    """100 common queries agree, the other 1,900 of B lose half of their neighbours: B fell from 1 to 0.525."""
    a = write_run(tmp_path / "a", {RECALL: [1.0] * 2000}, asked(2000))
    b = write_run(tmp_path / "b", {RECALL: [1.0] * 100 + [0.5] * 1900}, asked(2000, first=1900))
    queries = [query(place, f"question {place if place < 100 else place + 5000}") for place in range(2000)]
    c = write_run(tmp_path / "c", {RECALL: [1.0] * 100 + [0.5] * 1900}, queries)
    for other in (b, c):
        one = only(compare_runs(a, other))
        assert (one.paired, one.fell) == (False, True)
        assert one.difference.value == pytest.approx(-0.475)
        assert any("100 of 2,000 and 2,000 queries coincide" in note for note in one.notes)


@pytest.mark.parametrize(("n_common", "of_a"), [(1200, 2000), (100, 100)])
def test_queries_without_a_pair_are_judged_as_well(tmp_path, n_common, of_a):
    """The pairs agree and the other queries of B collapse: the difference of two means fell, so the quality fell."""
    a = write_run(tmp_path / "a", {RECALL: [1.0] * of_a}, asked(of_a))
    queries = [query(place, f"question {place if place < n_common else place + 5000}") for place in range(2000)]
    scores = [1.0] * n_common + [0.5] * (2000 - n_common)
    found = compare_runs(a, write_run(tmp_path / "b", {RECALL: scores}, queries))
    one = only(found)
    assert (one.paired, one.difference.n, one.difference.value) == (True, n_common, 0)
    assert one.over_all.value == pytest.approx(np.mean(scores) - 1)
    assert (one.fell, found.failures) == (True, ("quality",))


def test_pairs_that_fell_fail_whatever_the_rest_gained(tmp_path):
    """The 100 common of 150 queries lose 0.2 and the other 50 gain 0.4: the means are equal, the pairs fell."""
    a = write_run(tmp_path / "a", {RECALL: [0.8] * 100 + [0.4] * 50}, asked(150))
    queries = [query(place, f"question {place if place < 100 else place + 5000}") for place in range(150)]
    one = only(compare_runs(a, write_run(tmp_path / "b", {RECALL: [0.6] * 100 + [0.8] * 50}, queries)))
    assert one.over_all.value == pytest.approx(0, abs=1e-7)
    assert one.over_all.high > 0
    assert (one.difference.value, one.fell) == (pytest.approx(-0.2), True)


def test_one_lost_neighbour_is_no_fall_beside_exact_search(tmp_path):
    """Exact search has [1, 1]; unpaired, its 2,000 ones count as a sample of as many, so that 0.99995 is no fall."""
    exact = {RECALL: Quality(1.0, 1.0, 1.0, 2000)}
    for scores in ({RECALL: [1.0] * 2000}, {}):
        a = write_run(tmp_path / "a", scores, None, figures=exact)
        b = write_run(tmp_path / "b", {RECALL: [0.9] + [1.0] * 1999}, None)
        one = only(compare_runs(a, b))
        assert (one.paired, one.fell) == (False, False)
        assert one.difference.high == pytest.approx(
            one.difference.value + np.hypot(one.b.high - one.b.value, 1 - best_lower_bound(2000))
        )
        assert one.a == exact[RECALL]


READY = {"ready": {"vectors": "v.npy", "query_vectors": "q.npy", "query_ids": None}}


def test_row_numbers_of_ready_vectors_are_no_names(tmp_path):
    """Ready queries without ids pair only where the query vectors are the same ones."""
    queries = [query(n, None, name=str(n)) for n in range(3)]
    runs = [
        write_run(tmp_path / str(n), {RECALL: [1.0] * 3}, queries,
                  info={"arguments": READY, "queries": {"n_select": 3, "n_confirm": 3, "fingerprint": fingerprint}})
        for n, fingerprint in enumerate(("x", "x", "y"))
    ]  # fmt: skip
    assert only(compare_runs(runs[0], runs[1])).paired
    other = compare_runs(runs[0], runs[2])
    assert "row numbers are not names" in other.pairing.reason
    assert only(other).comparable  # the corpus is the same vectors
    assert not only(other).paired


def test_ids_and_row_numbers_of_ready_vectors_are_not_paired(tmp_path):
    """Where one run names its queries by ids and the other by rows, id 1 is not row 1, equal vectors or not."""
    info = {"queries": {"n_select": 3, "n_confirm": 3, "fingerprint": "x"}}
    named = {"ready": READY["ready"] | {"query_ids": "ids.txt"}}
    a = write_run(tmp_path / "a", {RECALL: [1.0] * 3}, [query(n, None, name=str(2 - n)) for n in range(3)],
                  info=info | {"arguments": named})  # fmt: skip
    b = write_run(tmp_path / "b", {RECALL: [1.0] * 3}, [query(n, None, name=str(n)) for n in range(3)],
                  info=info | {"arguments": READY})  # fmt: skip
    found = compare_runs(a, b)
    assert "the other by row numbers" in found.pairing.reason
    assert not only(found).paired


def test_vectors_of_unknown_origin_are_not_compared(tmp_path):
    """Other corpus and other query vectors may come from another model; the same corpus tells that they do not."""

    def ready(name, corpus, fingerprint):
        return write_run(tmp_path / name, {RECALL: [1.0] * 3}, [query(n, None, name=str(n)) for n in range(3)],
                         info={"arguments": READY, "corpus": {"fingerprint": corpus},
                               "queries": {"n_select": 3, "n_confirm": 3, "fingerprint": fingerprint}})  # fmt: skip

    a = ready("a", "c", "x")
    assert "perhaps by other models" in only(compare_runs(a, ready("b", "d", "y"))).reason
    assert only(compare_runs(a, ready("d", "d", "x"))).paired


def test_queries_that_do_not_fit_the_scores_are_damage(tmp_path):
    """A file with other judged queries than there are scores is an ArtifactError, not a wrong pairing."""
    a = write_run(tmp_path / "a", {RECALL: [1.0] * 3, NDCG: [0.5] * 3}, asked(3, judgements="j"))
    mixed = [replace(one, judgements=None) if place == 0 else one
             for place, one in enumerate(asked(3, judgements="j"))]  # fmt: skip
    b = write_run(tmp_path / "b", {RECALL: [1.0] * 3, NDCG: [0.5] * 3}, mixed)
    with pytest.raises(ArtifactError, match=r"has 2 queries for 3 scores of ndcg@10"):
        compare_runs(a, b)
