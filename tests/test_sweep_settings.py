import dataclasses
from decimal import Decimal

import pytest

from ragopt.choose import Limits
from ragopt.errors import InputError
from ragopt.sweep.settings import CONFIRM_TRAIN_ROWS, SELECT_TRAIN_ROWS, ReadyVectors, SweepSettings

READY = ReadyVectors("v.npy", "q.npy")


def test_defaults_are_those_that_are_documented():
    """Defaults: wordllama, cosine, k 10, 1,000 and 2,000 queries, recall 0.95, least bill, measured CPU time."""
    plain = SweepSettings(corpus="python-docs")
    assert (plain.models, plain.metric, plain.k, plain.seed) == (("wordllama",), "cosine", 10, 0)
    assert (plain.n_queries, plain.confirm_queries, plain.finalists) == (1000, 2000, 8)
    assert (plain.limits.min_recall, plain.objective, plain.cost_model) == (0.95, "usd", "measured")
    assert (SELECT_TRAIN_ROWS, CONFIRM_TRAIN_ROWS) == (16_384, 65_536)


@pytest.mark.parametrize("values", [{}, {"corpus": "docs", "ready": READY}])
def test_a_sweep_needs_a_corpus_or_vectors(values):
    """Neither or both is an error that names both ways."""
    with pytest.raises(InputError, match=r"a corpus or ready vectors.*--vectors with --query-vectors"):
        SweepSettings(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"k": 0}, "--k 0 is too small.*1 to"),
        ({"n_queries": 1}, "--n-queries 1 is too small.*2 to"),
        ({"confirm_queries": -1}, "--confirm-queries -1 is too small.*0 to"),
        ({"finalists": 0}, "--finalists 0 is too small"),
        ({"seed": -1}, "--seed -1 is too small"),
        ({"seed": 2**31}, "--seed 2147483648 is too large.*0 to 2147483647"),
        ({"metric": "hamming"}, "--metric 'hamming' is unknown.*cosine, ip, l2"),
        ({"objective": "speed"}, "--objective 'speed' is unknown.*usd, ram"),
        ({"cost_model": "guess"}, "--cost-model 'guess' is unknown.*measured, scan"),
        ({"models": ()}, "--model was given twice or not at all"),
        ({"models": ("a", "b", "a")}, "--model was given twice or not at all: a, b, a"),
    ],
)
def test_values_out_of_range_name_their_option(values, message):
    """Each refused value is named by its command-line option, with what is allowed."""
    with pytest.raises(InputError, match=message):
        SweepSettings(corpus="docs", **values)


def test_the_bounds_themselves_are_allowed():
    """The smallest allowed values and the largest seed are accepted."""
    SweepSettings(corpus="docs", k=1, n_queries=2, confirm_queries=0, finalists=1, seed=2**31 - 1)


def test_searches_ask_for_ten_results_at_least():
    """Judged quality looks at ten results however small k is; a small corpus has no more than it has."""
    plain = SweepSettings(corpus="docs", k=3)
    assert (plain.n_results(1000), plain.n_results(4)) == (10, 4)
    assert dataclasses.replace(plain, k=25).n_results(1000) == 25


def test_the_workloads_p99_limit_is_the_sweeps():
    """A service's own limit holds for the search; --max-p99-ms goes over it."""
    asked = SweepSettings(corpus="c", workload={"p99_limit_ms": Decimal(40)})
    assert asked.limits.max_p99_ms == 40.0
    assert SweepSettings(corpus="c", workload={"p99_limit_ms": Decimal(40)}, limits=Limits(max_p99_ms=5.0)).limits == (
        Limits(max_p99_ms=5.0)
    )
