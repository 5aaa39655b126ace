import re
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from ragopt.choose import NDCG, SELECTION, Limits
from ragopt.errors import InputError
from ragopt.measure.intervals import paired_difference
from ragopt.records import Quality
from ragopt.sweep.recommending import N_RUNNERS_UP, baseline_of, loss_vs_exact, recommend_from
from tests.helpers import RECALL, a_result, exact_flat, unsuitable


def info(*, synthetic=False, holdout=True):
    return {"k": 10, "queries": {"synthetic": synthetic, "confirm_holdout": holdout}}


def recommend(results, limits=None, *, objective="usd", **about):
    return recommend_from(results, limits or Limits(), objective=objective, info=info(**about))


def sentence(recommendation, *words):
    found = [text for text in recommendation.why if all(word in text for word in words)]
    assert len(found) == 1, recommendation.why
    return found[0]


def numbers(text):
    return [float(number) for number in re.findall(r"(?<![\w@])[-+]?\d+(?:\.\d+)?", text)]


def test_figures_of_the_chosen_and_of_the_baseline():
    """The recommendation carries the chosen trial's record, the baseline's bill and bytes, and the next trials."""
    chosen = a_result("SQ4", "41.20", ram=4, disk=8, confirmed=True)
    others = [a_result(name, usd) for name, usd in (("SQ8", "50"), ("SQ6", "60"), ("PQ4np", "70"), ("PQ2np", "80"))]
    found = recommend([exact_flat("310.00"), *others, chosen, unsuitable("IVF9,SQ8")])
    assert (found.status, found.trial, found.confirmed) == ("ok", chosen.trial, True)
    assert (found.bill, found.target) == (chosen.bills["faiss-ram"], "faiss-ram")
    assert (found.quality, found.index_bytes, found.latency) == (chosen.quality, chosen.index_bytes, chosen.latency)
    assert found.baseline_bill.usd_per_month == Decimal("310.00")
    assert found.baseline_ram_bytes_per_vector == 32.0
    assert found.runners_up == tuple(str(one.trial) for one in others[:N_RUNNERS_UP])
    assert found.synthetic_queries is False


def test_first_reason_counts_the_fitting_trials():
    """It says how many of the measured trials meet the limits; unsuitable trials were not measured."""
    results = [exact_flat(), a_result("SQ4"), a_result("PQ2np", "1", low=0.3), unsuitable("PQ4np")]
    text = recommend(results).why[0]
    assert text == "2 of 3 trials meet --min-recall 0.95; this one has the least monthly bill among them."
    text = recommend(results, objective="ram").why[0]
    assert text == "2 of 3 trials meet --min-recall 0.95; this one has the fewest RAM code bytes among them."


def test_no_limit_is_not_called_a_limit():
    """Without limits the first reason says that none was set."""
    text = recommend([exact_flat(), a_result("SQ4")], Limits(None)).why[0]
    assert text.startswith("No limit was set for the 2 trials; this one has")


def test_ties_are_counted_from_the_least_bill():
    """The chosen trial may cost up to 1 % more than the least bill; only trials within 1 % of the least are ties."""
    # Within 1 % of the chosen trial's 100.90, but not of 100.00, 101.50 holds fewer bytes still: it is no tie.
    results = [
        exact_flat("300.00"),
        a_result("SQ8", "100.00", ram=16),
        a_result("SQ4", "100.90", ram=8),
        a_result("PQ2np", "101.50", ram=2),
    ]
    found = recommend(results)
    assert found.trial.factory == "SQ4"
    assert sentence(found, "within 1 %").startswith("2 fitting trials cost the same within 1 %")
    assert "this one is among those of the least monthly bill" in found.why[0]


def test_recall_sentence_parses_back_to_the_record():
    """The figures in the sentence are the record's value, bounds and number of queries."""
    chosen = a_result("SQ4", low=0.9612, value=0.9734, confirmed=True)
    text = sentence(recommend([exact_flat(), chosen]), "share of the neighbours")
    figures = chosen.quality[RECALL]
    assert text.startswith("recall_vs_exact@10 is 0.9734 ")
    assert numbers(text) == [figures.value, figures.low, round(figures.high, 4), 1000]


def test_bytes_sentence_parses_back_to_the_record():
    """Bytes per vector beside float32's, their ratio, what does not grow, and the tier on disk if there is one."""
    on_disk = a_result("SQ4", ram=5.5, disk=64)
    (bill,) = on_disk.bills.values()
    in_ram = replace(on_disk, bills={"faiss-ram": replace(bill, target="faiss-ram")})
    on_disk = replace(on_disk, bills={"faiss-ram-nvme": replace(bill, target="faiss-ram-nvme")})
    text = sentence(recommend([exact_flat(), on_disk]), "bytes per vector in RAM")
    assert text == (
        "It holds 5.5 bytes per vector in RAM where float32 holds 32: 5.8 times fewer; 1.0 kB more do not grow with "
        "the corpus, and 64 bytes per vector for rescoring lie on disk."
    )
    text = sentence(recommend([exact_flat(), in_ram]), "bytes per vector; faiss-ram")
    assert text == (
        "Its codes take 5.5 bytes per vector; faiss-ram, the cheapest target at this size, also holds the 64 bytes for "
        "rescoring in RAM: 69.5 where float32 holds 32; 1.0 kB more do not grow with the corpus."
    )
    text = sentence(recommend([exact_flat(), a_result("SQ4", ram=8)]), "bytes per vector in RAM")
    assert "disk" not in text
    assert "4.0 times fewer" in text


def test_nothing_fits_names_the_limit_and_the_closest_trial():
    """The first reason names the limits, the closest trial and what it misses; its figures are the record's."""
    found = recommend([exact_flat("310.00"), a_result("SQ4", "41.20")], Limits(max_usd=Decimal(20)))
    assert found.status == "nothing_fits"
    assert found.trial.factory == "SQ4"
    assert found.runners_up == ()
    assert found.why[0] == (
        "No trial meets --min-recall 0.95 --max-usd 20; the closest is tiny@8:none | SQ4: "
        "it costs 41.20 USD a month, not at most 20."
    )


def test_nothing_measured_is_an_error():
    """When no trial could be measured there is nothing to recommend, not even as the closest."""
    with pytest.raises(InputError, match="No trial could be measured on this corpus"):
        recommend([unsuitable("PQ4np")])


def test_a_run_without_the_baseline_is_an_error():
    """A saving needs something to be measured against."""
    with pytest.raises(InputError, match="no Flat trial of tiny"):
        recommend([a_result("SQ4")])
    with pytest.raises(InputError, match="no Flat trial of other"):
        baseline_of([exact_flat()], "other")


def test_an_unconfirmed_choice_says_so():
    """A trial chosen later with other limits that was never built says where its figures come from."""
    found = recommend([exact_flat(), a_result("SQ4", confirmed=False)])
    assert found.confirmed is False
    assert "no index was built" in sentence(found, "was not among the finalists")


def test_a_confirmed_choice_says_on_which_queries():
    """Confirmed on other queries, or, with too few of them, on the same ones: two different sentences."""
    results = [exact_flat(), a_result("SQ4", confirmed=True)]
    assert sentence(recommend(results), "built on the whole corpus").endswith("no part in choosing it.")
    assert "may flatter it" in sentence(recommend(results, holdout=False), "built on the whole corpus")


def test_finalists_that_failed_to_confirm_are_named():
    """A cheaper trial that looked better while selecting is named with what the confirmation found."""
    failed = a_result("PQ2np", "1.00", low=0.94, confirmed=True, reason="not what the sweep's limits said")
    found = recommend([exact_flat(), failed, a_result("SQ4", confirmed=True)])
    text = sentence(found, "looked better while selecting")
    missed = "recall_vs_exact@10 is at least 0.9400, not 0.95"
    assert text == f"tiny@8:none | PQ2np looked better while selecting, but confirmed: {missed}."


def test_synthetic_queries_are_labelled():
    """Figures from queries made from the corpus are called that, in a reason and in the record."""
    found = recommend([exact_flat(), a_result("SQ4")], synthetic=True)
    assert found.synthetic_queries is True
    assert "synthetic queries made from the corpus" in sentence(found, "synthetic")
    assert not any("synthetic" in text for text in recommend([exact_flat(), a_result("SQ4")]).why)


def test_few_queries_are_said():
    """Under 100 queries the last reason warns that intervals are wide."""
    few = a_result("SQ4")
    few = replace(few, quality={RECALL: Quality(0.97, 0.96, 0.98, 40)})
    assert recommend([exact_flat(), few]).why[-1].startswith("Only 40 queries")


def test_several_models_without_judgements():
    """recall_vs_exact compares a model with itself: without judgements nothing says which model is better."""
    results = [exact_flat(), exact_flat(model="big"), a_result("SQ4")]
    assert "give --qrels" in sentence(recommend(results), "Several models were swept without judgements")
    assert not any("Several models" in text for text in recommend([exact_flat(), a_result("SQ4")]).why)


def test_the_best_of_several_models():
    """If the chosen trial's model has the best exact nDCG@10 of all, that is said."""
    results = [exact_flat(ndcg=np.full(50, 0.6)), exact_flat("90.00", ndcg=np.full(50, 0.4), model="big"),
               a_result("SQ4")]  # fmt: skip
    assert sentence(recommend(results), "models swept") == "Of the models swept, tiny has the best exact ndcg@10."


def test_a_better_model_is_named_with_the_gap():
    """If another model's exact search is better, the paired gap with its interval is given; positive is better."""
    rng = np.random.default_rng(1)
    ours = rng.random(400) * 0.8
    theirs = ours + rng.random(400) * 0.2
    results = [exact_flat(ndcg=ours), exact_flat("900.00", ndcg=theirs, model="big"), a_result("SQ4", "1.00")]
    text = sentence(recommend(results), "Exact search with big")
    gap = paired_difference(results[1].per_query[NDCG], results[0].per_query[NDCG])
    assert 0.08 < gap.value < 0.12
    assert numbers(text) == [round(number, 4) for number in (gap.value, gap.low, gap.high)]
    assert text.endswith("against tiny: add --min-ndcg-ratio to make that count.")


def test_loss_vs_exact_is_positive_when_the_trial_is_worse():
    """Exact search minus trial on the same queries: 0.5 - 0.4 is a loss of 0.1."""
    flat = exact_flat(ndcg=np.full(200, 0.5))
    loss = loss_vs_exact(a_result("SQ4", ndcg=np.full(200, 0.4), confirmed=True), flat)[NDCG]
    assert (loss.value, loss.n_queries) == (pytest.approx(0.1), 200)
    assert 0 < loss.low < 0.1 < loss.high
    gain = loss_vs_exact(a_result("SQ4", ndcg=np.full(200, 0.6), confirmed=True), flat)[NDCG]
    assert gain.value == pytest.approx(-0.1)
    assert gain.low < -0.1 < gain.high < 0


def test_loss_vs_exact_pairs_the_same_stage():
    """An unconfirmed trial is compared with exact search's selection scores, which have another length here."""
    flat = exact_flat(ndcg=np.full(200, 0.9))
    flat = replace(flat, per_query={**flat.per_query, SELECTION + NDCG: np.full(50, 0.5)})
    loss = loss_vs_exact(a_result("SQ4", ndcg=np.full(50, 0.5)), flat)[NDCG]
    assert (loss.value, loss.n_queries) == (0.0, 50)


def test_loss_vs_exact_is_of_judged_qualities_only():
    """recall_vs_exact is already against exact search; without judgements there is no loss to give."""
    assert loss_vs_exact(a_result("SQ4", confirmed=True), exact_flat()) == {}


RACED = {"objective": "ram", "min_recall": 0.95, "min_ndcg_ratio": None, "max_p99_ms": None, "max_usd": None}


def raced_info():
    return {**info(), "arguments": RACED}


@pytest.mark.parametrize(
    ("limits", "objective", "chosen"),
    [
        (Limits(), "ram", "SQ4"),
        (Limits(), "usd", "SQ8"),
        (Limits(max_p99_ms=9.0), "ram", "PQ1np"),
        (Limits(0.9), "ram", "PQ1np"),
    ],
)
def test_a_race_counts_for_the_limits_and_objective_that_it_was_run_for(limits, objective, chosen):
    """Decided again by another objective or other limits, what the race dropped is as good as any other trial."""
    cheap = replace(a_result("SQ8", "1.00", ram=8), status="dropped")
    small = replace(a_result("PQ1np", "90.00", ram=1), status="dropped")
    found = recommend_from([exact_flat(), a_result("SQ4", "50.00", ram=4), cheap, small], limits, objective=objective,
                           info=raced_info())  # fmt: skip
    assert found.trial.factory == chosen
    told = [text for text in found.why if "was raced for other limits or another objective" in text]
    assert len(told) == (0 if (limits, objective) == (Limits(), "ram") else 1)


def test_what_was_dropped_comes_back_before_exact_search():
    """Exact search always fits: where nothing else does, a trial that the race dropped is preferred to it."""
    dropped = replace(a_result("SQ8", "1.00", ram=8), status="dropped")
    missed = a_result("SQ4", "50.00", ram=4, low=0.5)
    found = recommend_from([exact_flat(), missed, dropped], Limits(), objective="ram", info=raced_info())
    assert found.trial == dropped.trial


def test_what_a_race_dropped_is_counted_among_those_that_meet_the_limits():
    """The number of trials that meet the limits does not depend on which of them were built."""
    dropped = [replace(a_result(name, "50.00", ram=9), status="dropped") for name in ("SQ8", "SQ6", "PQ2np")]
    found = recommend_from([exact_flat("60.00"), a_result("SQ4", "50.00", ram=4), *dropped], Limits(), objective="usd",
                           info={**raced_info(), "arguments": {**RACED, "objective": "usd"}})  # fmt: skip
    assert found.trial.factory == "SQ4"
    assert found.why[0].startswith("5 of 5 trials meet --min-recall 0.95")
    assert found.why[1].startswith("4 fitting trials cost the same")
