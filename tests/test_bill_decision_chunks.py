"""How many chunks to send: money by hand, the choice by intervals, and where the quality comes from."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.bill.decisions.chunk_quality import BY_CHUNKS, chunk_qualities_of, qualities_of
from ragopt.bill.decisions.chunks import decide_chunks
from ragopt.bill.decisions.quality_file import read_quality
from ragopt.bill.price_book import PriceBook
from ragopt.bill.workload import Workload
from ragopt.errors import InputError
from ragopt.records import Quality
from tests.report_example import example_run

WHEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
BOOK = PriceBook([])
HAIKU = Workload(1, generator="anthropic:claude-haiku-4-5")
MEASURED = {
    1: Quality(0.60, 0.55, 0.65, 300),
    5: Quality(0.85, 0.81, 0.89, 300),
    10: Quality(0.90, 0.86, 0.93, 300),
    20: Quality(0.92, 0.885, 0.95, 300),
}


def decide(qualities=MEASURED, ks=(1, 3, 5, 10, 20), workload=HAIKU):
    return decide_chunks(workload, BOOK, ks=ks, qualities=qualities, when=WHEN)


def test_money_and_the_price_of_a_point():
    """1 M queries; 1 USD per million in, 5 out: (520 + 256 k) + 300 x 5 = 2,020 + 256 k USD a month.

    From k = 1 to 5 (k = 3 was not measured): 1,024 USD for 25 points = 40.96; to 10: 1,280 for 5 = 256; to 20: 2,560
    for 2 = 1,280. The best is k = 20 from 0.885 on; 0.89 with k = 5 reaches it, 0.65 with k = 1 does not.
    """
    found = decide()
    assert [count.usd_per_month for count in found.counts] == [2276, 2788, 3300, 4580, 7140]
    assert [count.usd_more for count in found.counts] == [None, 512, 512, 1280, 2560]
    assert [count.usd_per_point for count in found.counts] == [None, None, Decimal("40.96"), 256, 1280]
    assert [count.prompt_tokens for count in found.counts] == [776, 1288, 1800, 3080, 5640]
    assert (found.best_k, found.enough_k) == (20, 5)
    assert found.sentence == (
        "Send 5 chunks: recall_vs_qrels@5 is 0.850 (0.810 to 0.890, 300 queries), whose interval overlaps the best's, "
        "0.920 (0.885 to 0.950, 300 queries) with k = 20, and generation costs 3,300.00 USD a month, 3,840.00 less "
        "than with 20."
    )
    assert found.notes[0].startswith("recall_vs_qrels was not measured with k = 3:")
    assert "the k best documents" in found.notes[2]
    assert len(found.notes) == 3


def test_a_clear_best_is_kept():
    """Where no smaller k reaches the best's interval, the best itself is enough."""
    found = decide({1: Quality(0.5, 0.45, 0.55, 300), 5: Quality(0.9, 0.86, 0.93, 300)}, ks=(1, 5))
    assert (found.best_k, found.enough_k) == (5, 5)
    assert found.sentence.startswith("Send 5 chunks: recall_vs_qrels@5 is the best")


def test_few_queries_are_said_to_be_few():
    """15 queries leave the question open: one chunk overlaps five, and a note warns."""
    found = decide({1: Quality(0.933, 0.760, 0.982, 15), 5: Quality(1.0, 0.796, 1.0, 15)})
    assert found.sentence.startswith("Send 1 chunk: ")
    assert found.notes[-1].startswith("Only 15 queries")


def test_quality_that_falls_has_no_price_of_a_point():
    """More chunks that find no more have no price per point, and the smaller of two equals is the best."""
    found = decide({5: Quality(0.9, 0.86, 0.93, 300), 10: Quality(0.9, 0.86, 0.93, 300)}, ks=(5, 10))
    assert found.counts[1].usd_per_point is None
    assert (found.best_k, found.enough_k) == (5, 5)


def test_without_quality_there_is_no_advice():
    """Money alone names no k; one k alone has nothing to be compared with."""
    bare = decide({})
    assert (bare.best_k, bare.enough_k) == (None, None)
    assert "no quality was given" in bare.sentence
    assert "says nothing about how many chunks are enough" in bare.sentence
    single = decide({10: MEASURED[10]})
    assert (single.best_k, single.enough_k) == (10, None)
    assert "known with k = 10 alone" in single.sentence


def test_a_measured_k_is_always_shown():
    """A k that was measured is in the table, whether it was asked for or not."""
    assert [count.k for count in decide({7: Quality(0.8, 0.7, 0.9, 50)}, ks=(1,)).counts] == [1, 7]


def test_questions_that_cannot_be_answered_are_refused():
    """No generator, no k, an absurd k, and more chunks than the model reads."""
    with pytest.raises(InputError, match="There is no generator"):
        decide(workload=Workload(1))
    with pytest.raises(InputError, match="There is no number of chunks"):
        decide({}, ks=())
    with pytest.raises(InputError, match=r"queries\.k is 0"):
        decide({}, ks=(0,))
    with pytest.raises(InputError, match=r"up to 200,000 tokens"):
        decide({}, ks=(1000,))


@settings(max_examples=60, deadline=None)
@given(
    values=st.dictionaries(st.integers(1, 50), st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=2)
)
def test_the_choice_is_the_least_k_that_reaches_the_best(values):
    """Against a plain search: no smaller measured k overlaps the best, and money rises with k."""
    qualities = {}
    for k, figures in values.items():
        low, value, high = sorted(figures)
        qualities[k] = Quality(value, low, high, 100)
    found = decide(qualities, ks=(1,))
    top = max(quality.value for quality in qualities.values())
    best = min(k for k, quality in qualities.items() if quality.value == top)
    reach = [k for k, quality in qualities.items() if quality.high >= qualities[best].low]
    assert (found.best_k, found.enough_k) == (best, min(reach))
    usd = [count.usd_per_month for count in found.counts]
    assert usd == sorted(set(usd))


def run_at(k, quality=None, **changes):
    """The example run as if it had been swept with --k."""
    run = example_run()
    names = {} if quality is None else {f"recall_vs_qrels@{k}": quality}
    trials = tuple(
        replace(one, quality={**{n: q for n, q in one.quality.items() if not n.startswith("recall_vs_qrels")}, **names})
        if one.quality else one
        for one in run.trials
    )  # fmt: skip
    return replace(run, folder=f"run-k{k}", info={**run.info, "k": k, **changes}, trials=trials)


def test_quality_from_runs_with_several_k():
    """Each run adds the recommended trial's recall at its own k."""
    runs = [run_at(k, MEASURED[k]) for k in (5, 10)]
    assert qualities_of(runs) == {5: MEASURED[5], 10: MEASURED[10]}
    other = str(next(one.trial for one in runs[0].trials if one.quality))
    assert qualities_of(runs, trial=other) == {5: MEASURED[5], 10: MEASURED[10]}


def test_runs_that_do_not_belong_together_are_refused():
    """No judgements, one k twice, another corpus, an unknown trial: each says what to do."""
    with pytest.raises(InputError, match=r"run-k5 has no recall_vs_qrels.*--qrels FILE"):
        qualities_of([run_at(10, MEASURED[10]), run_at(5)])
    with pytest.raises(InputError, match=r"recall_vs_qrels@10 of .* stands in two of the runs"):
        qualities_of([run_at(10, MEASURED[10]), run_at(10, MEASURED[10])])
    with pytest.raises(InputError, match="run-k5 was swept over another corpus than run-k10"):
        qualities_of([run_at(10, MEASURED[10]), run_at(5, MEASURED[5], corpus={"source": "elsewhere"})])
    with pytest.raises(InputError, match=r"did not measure the trial 'nothing'.*--trial"):
        qualities_of([run_at(10, MEASURED[10])], trial="nothing")


def entry(quality):
    return {name: getattr(quality, name) for name in ("value", "low", "high", "n_queries")}


def test_quality_from_a_file(tmp_path):
    """The shape of `quality` in recommendation.json, alone or inside it; other qualities are passed over."""
    file = tmp_path / "quality.json"
    content = {f"recall_vs_qrels@{k}": entry(quality) for k, quality in MEASURED.items()}
    content["ndcg@10"] = entry(MEASURED[1])
    for text in (json.dumps(content), json.dumps({"quality": content, "schema": 1})):
        file.write_text(text)
        assert read_quality(file, metric="recall_vs_qrels") == MEASURED
        assert read_quality(file, metric="ndcg") == {10: MEASURED[1]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "is not JSON"),
        ("[]", "holds no object"),
        ("{}", "holds no recall_vs_qrels@k"),
        ('{"recall_vs_qrels@5": 0.9}', "recall_vs_qrels@5 in .* is 0.9"),
        ('{"recall_vs_qrels@5": {"value": 0.9, "low": 0.95, "high": 1, "n_queries": 9}}', "0 <= low <= value"),
        ('{"recall_vs_qrels@5": {"value": 90, "low": 80, "high": 95, "n_queries": 9}}', "0 <= low <= value"),
        ('{"recall_vs_qrels@5": {"value": 0.9, "low": 0.8, "high": 1}}', "n_queries"),
    ],
)
def test_a_bad_quality_file_is_one_clear_error(tmp_path, text, message):
    """Each fault names the file and what is allowed."""
    file = tmp_path / "quality.json"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        read_quality(file, metric="recall_vs_qrels")


def test_a_missing_quality_file_is_an_error(tmp_path):
    """A name that is no file says so."""
    with pytest.raises(InputError, match="Cannot read"):
        read_quality(tmp_path / "none.json", metric="recall_vs_qrels")


def test_pairs_decide_where_intervals_cannot():
    """Of 400 questions each loses nothing from 10 to 5 chunks but 2, and 40 from 10 to 3: 5 chunks lose half a point.

    Unpaired intervals of .90 and .895 would overlap anyway; paired, the upper end of 5 chunks' loss is above one point,
    so 10 are needed, while --most-loss 0.05 lets 5 go, and 3, which lose ten points, never.
    """
    scores = {"recall_by_chunks@3": np.array([1.0] * 320 + [0.0] * 80, np.float32),
              "recall_by_chunks@5": np.array([1.0] * 358 + [0.0] * 42, np.float32),
              "recall_by_chunks@10": np.array([1.0] * 360 + [0.0] * 40, np.float32)}  # fmt: skip
    run = example_run()
    chosen = run.recommendation.trial
    trials = tuple(replace(one, per_query=scores) if one.trial == chosen else one for one in run.trials)
    qualities, losses = chunk_qualities_of(replace(run, trials=trials))
    assert {k: round(one.value, 4) for k, one in qualities.items()} == {3: 0.8, 5: 0.895, 10: 0.9}
    assert {k: round(one.value, 4) for k, one in losses.items()} == {3: 0.1, 5: 0.005, 10: 0.0}
    assert (losses[10].low, losses[10].high) == (0.0, 0.0)
    strict, lenient = (
        decide_chunks(HAIKU, BOOK, ks=(3,), qualities=qualities, losses=losses, most_loss=Decimal(most), when=WHEN)
        for most in ("0.01", "0.05")
    )
    assert (strict.enough_k, lenient.enough_k) == (10, 5)
    assert "on the same questions" in strict.sentence
    assert "on the same questions 0.005 (" in lenient.sentence


def decided_on(scores, **more):
    """The decision on per-query scores by k."""
    run = example_run()
    chosen = run.recommendation.trial
    named = {f"recall_by_chunks@{k}": np.asarray(own, np.float32) for k, own in scores.items()}
    trials = tuple(replace(one, per_query=named) if one.trial == chosen else one for one in run.trials)
    qualities, losses = chunk_qualities_of(replace(run, trials=trials))
    return decide_chunks(HAIKU, BOOK, ks=(), qualities=qualities, losses=losses, when=WHEN, metric=BY_CHUNKS, **more)


def test_more_chunks_that_bring_nothing_are_not_sent():
    """All that 10 chunks find is found by 3, on each of 300 questions: 3 are sent, for 7 x 256 USD less.

    1 chunk loses a third. The least k of the highest quality is 3 too.
    """
    full, third = [1.0] * 300, [1.0] * 200 + [0.0] * 100
    found = decided_on({1: third, 3: full, 5: full, 10: full})
    assert (found.best_k, found.enough_k) == (3, 3)
    assert "Send 3 chunks: recall_by_chunks@3 is 1.000" in found.sentence
    assert "no less on any of these questions than with 10" in found.sentence
    assert "1,792.00 less than with 10." in found.sentence


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("n", [15, 300, 1000])
def test_one_chunk_that_finds_all_or_nothing_is_enough(value, n):
    """Equal at every k: one chunk, whatever the number of questions."""
    found = decided_on({k: [value] * n for k in (1, 2, 5, 10)})
    assert (found.best_k, found.enough_k) == (1, 1)
    assert found.sentence.startswith("Send 1 chunk: ")


def test_the_most_chunks_are_called_so_only_when_they_are():
    """Each step finds more: the last is needed, and the sentence gives what the one before would lose and save."""
    found = decided_on({1: [1.0] * 200 + [0.0] * 200, 5: [1.0] * 300 + [0.0] * 100, 10: [1.0] * 360 + [0.0] * 40})
    assert found.enough_k == 10
    assert found.sentence.startswith("Send 10 chunks, the most that was measured: 5 would lose 0.150 (")
    assert "save USD 1,280.00 a month" in found.sentence


@pytest.mark.parametrize("most", ["-1", "1.5", "NaN"])
def test_a_loss_that_is_no_share_is_refused(most):
    """--most-loss is between nothing and all of the quality."""
    with pytest.raises(InputError, match="--most-loss is"):
        decided_on({1: [1.0] * 9, 2: [1.0] * 9}, most_loss=Decimal(most))
