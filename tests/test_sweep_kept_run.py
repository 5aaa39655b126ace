"""A run whose run.json was changed by hand is one clear error in whatever bills it; an older run still works."""

import dataclasses
import datetime as dt
import json
import shutil

import pytest

import ragopt
from ragopt.bill.kept_prices import own_prices
from ragopt.bill.price_book import PriceBook
from ragopt.errors import ArtifactError, InputError
from ragopt.sweep.billed import own_prices_note
from ragopt.sweep.kept_run import billed_on, given_in_run, priced_models, prices_of_run, results_of_a_search
from ragopt.sweep.run_folder import read_run
from tests.cli import ragopt as run_ragopt
from tests.cli import small_sweep
from tests.resealed import reseal

VM = PriceBook.packaged().price("aws", "us-east-1", "vms", "r7g.large")
[OWN] = own_prices(PriceBook.packaged().over([dataclasses.replace(VM, source="contract")]))
PYTHON = ("Error(", "object", "NoneType", "Traceback", "None", "argument", "subscript", "attribute '")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """One small finished run."""
    folder = tmp_path_factory.mktemp("swept")
    done = run_ragopt(*small_sweep(folder))
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.fixture
def changed(swept, tmp_path):
    """A copy of the run with other keys in its run.json; `...` removes one."""

    def change(**keys):
        folder = tmp_path / "run"
        shutil.copytree(swept, folder, dirs_exist_ok=True)
        reseal(folder, **keys)
        return folder

    return change


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"own_prices": None}, "in run.json, own_prices is null. Allowed: a list of prices."),
        ({"own_prices": 5}, "own_prices is 5"),
        ({"own_prices": {"usd": "1"}}, 'own_prices is {"usd": "1"}'),
        ({"own_prices": [7]}, "price 1 of own_prices is 7"),
        ({"own_prices": [{**OWN, "usd": "NaN"}]}, 'price 1 of own_prices has usd "NaN". Allowed: a number from'),
        ({"own_prices": [OWN, {**OWN, "usd": 0.1}]}, "price 2 of own_prices has usd 0.1"),
        ({"own_prices": [{**OWN, "usd": "-1"}]}, 'has usd "-1"'),
        ({"own_prices": [{**OWN, "usd": None}]}, "has usd null"),
        ({"own_prices": [{**OWN, "usd": "1e400"}]}, 'has usd "1e400"'),
        ({"own_prices": [{**OWN, "as_of": "x"}]}, 'has as_of "x". Allowed: a date'),
        ({"own_prices": [{**OWN, "as_of": 5}]}, "has as_of 5"),
        ({"own_prices": [{**OWN, "item": []}]}, "has item []"),
        ({"own_prices": [{**OWN, "source": ""}]}, 'has source ""'),
        ({"own_prices": [{**OWN, "attributes": 3}]}, "has attributes 3"),
        ({"own_prices": [{**OWN, "attributes": {"vcpu": "0"}}]}, 'has attributes.vcpu "0"'),
        ({"own_prices": [{**OWN, "undated": "no"}]}, 'has undated "no"'),
        ({"own_prices": [{**OWN, "colour": "red"}]}, "has an unknown field 'colour'"),
        ({"own_prices": [{name: OWN[name] for name in OWN if name != "unit"}]}, "price 1 of own_prices has no unit"),
        ({"workload": {}}, "run.json has workload {}"),
        ({"workload": ...}, "run.json has no workload"),
        ({"workload": None}, "run.json has workload null"),
        ({"workload": [1]}, "run.json has workload [1]"),
        ({"workload": {"n_vectors": "many"}}, "in the workload of run.json, "),
        ({"workload": {"n_vectors": 5, "peak_qps": "x"}}, 'run.json has workload {"n_vectors": 5, "peak_qps": "x"}'),
        ({"workload": {"n_vectors": 5, "peak_qps": []}}, "run.json has workload"),
        ({"workload_given": 5}, "run.json has workload_given 5"),
        ({"workload_given": "k"}, 'run.json has workload_given "k"'),
        ({"workload_given": [["k"]]}, 'run.json has workload_given [["k"]]'),
        ({"priced_models": 5}, "run.json has priced_models 5"),
        ({"priced_models": {"x": 5}}, 'run.json has priced_models {"x": 5}'),
        ({"models": ...}, "run.json has no models"),
        ({"models": {}}, "run.json has models {}"),
        ({"models": [5]}, "run.json has models [5]"),
        ({"models": [{"name": "wordllama"}]}, "run.json has models"),
        ({"n_results": "x"}, 'run.json has n_results "x"'),
        ({"n_results": 0}, "run.json has n_results 0"),
        ({"billed_on": "x"}, 'run.json has billed_on "x"'),
        ({"billed_on": 5}, "run.json has billed_on 5"),
        ({"billed_on": None}, "run.json has billed_on null"),
    ],
)
def test_a_damaged_run_is_one_clear_error(changed, keys, said):
    """Billed, decided again, or asked when to move: the message names folder, file and key, in no Python words."""
    folder = changed(**keys)
    verbs = [lambda: ragopt.bill(folder, targets=("faiss-ram",)), lambda: ragopt.api.recommend(folder, min_recall=0.6)]
    if "billed_on" not in keys and "workload_given" not in keys:  # no decision of the target reads these
        verbs.append(lambda: ragopt.api.decide_target(folder, low=1000, high=2000))
    for verb in verbs:
        with pytest.raises(ArtifactError) as caught:
            verb()
        text = str(caught.value)
        assert text.startswith(f"The run in {folder} is damaged: ")
        assert said in text
        assert "Sweep again" in caught.value.next_step
        assert not [word for word in PYTHON if word in text]


@pytest.mark.parametrize("arguments", [("bill",), ("recommend",), ("decide", "target")])
def test_the_commands_show_no_traceback(changed, arguments):
    """One message on standard error, exit code 1."""
    done = run_ragopt(*arguments, changed(own_prices=None))
    assert (done.returncode, done.stdout) == (1, "")
    assert "own_prices is null" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_an_older_run_without_these_keys_is_billed(changed):
    """No own prices, nothing stated, the default number of results, and today as the day."""
    folder = changed(own_prices=..., workload_given=..., billed_on=..., priced_models=..., n_results=...)
    run = read_run(folder)
    assert (prices_of_run(run), given_in_run(run), priced_models(run)) == ((), frozenset(), {})
    assert results_of_a_search(run) == 10
    assert abs(billed_on(run) - dt.datetime.now(tz=dt.UTC).date()) <= dt.timedelta(days=1)
    assert ragopt.bill(folder, targets=("faiss-ram",)).targets
    assert own_prices_note(run) == ()


def test_the_note_counts_own_prices_and_is_silent_where_others_are_asked_for(changed, tmp_path):
    """One price is, two prices are; neither with --prices nor with today's is it said, damaged ones are not read."""
    other = {**OWN, "item": "r7g.xlarge"}
    note = "the run's own, not the package's (`ragopt bill RUN --current-prices` takes today's)."
    for kept, said in (([OWN], f"1 price is {note}"), ([OWN, other], f"2 prices are {note}")):
        folder = changed(own_prices=kept)
        assert said in ragopt.bill(folder, targets=("faiss-ram",)).notes
    file = tmp_path / "ours.toml"
    file.write_text("schema = 1\n")
    for more in ({"prices": file}, {"current_prices": True}):
        whole = ragopt.bill(folder, targets=("faiss-ram",), **more)
        assert not [one for one in whole.notes if "the run's own" in one]
    assert ragopt.bill(changed(own_prices=None), targets=("faiss-ram",), current_prices=True).targets


def test_todays_prices_are_asked_for_a_run_alone():
    """Without a subject it is a usage error of the command; with an index that is no run, an error of its own."""
    done = run_ragopt("bill", "--vectors", "10", "--dim", "8", "--current-prices")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--current-prices says nothing without RUN" in done.stderr
    with pytest.raises(InputError, match="--current-prices says nothing without RUN"):
        ragopt.bill(dim=8, workload={"n_vectors": 10}, current_prices=True)


def test_a_wrong_figure_that_is_given_is_not_the_runs_damage(changed):
    """The user's own slip stays theirs."""
    with pytest.raises(InputError):
        ragopt.bill(changed(), workload={"n_replicas": 1, "n_zones": 3})


def test_what_moves_the_bill_is_told_of_the_recommended_target(changed, tmp_path):
    """--tornado and --chart turn the bill of the run's own target, not of a cheaper one that builds another index."""
    folder = changed()
    run = read_run(folder)
    picture = tmp_path / "moves.svg"
    done = run_ragopt("bill", folder, "--tornado", "--chart", picture)
    assert done.returncode == 0, done.stderr
    target = run.recommendation.target
    whole = ragopt.bill(folder)
    assert whole.cheapest.target != target
    assert f"What moves {target}" in done.stdout
    assert "; recommended by the run) most:" in " ".join(done.stdout.split())
    assert target in picture.read_text()
    told = json.loads(run_ragopt("bill", folder, "--tornado", "--json").stdout)
    assert told["explained"] == {"target": target, "why": "recommended by the run"}
    assert told["tornado"][0]["usd_per_month"] == str(whole.with_shared[target].usd_per_month)
    other = next(str(one.trial) for one in run.trials if one.bills and one.trial != run.recommendation.trial)
    assert ragopt.bill(folder, trial=other).explained[1] == "the cheapest that serves the index"
    assert ragopt.bill(folder, trial=str(run.recommendation.trial)).explained[0].target == target
