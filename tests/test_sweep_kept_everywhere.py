"""The bill at every target in run.json: what was written is read back, and a changed file is one clear error."""

import copy
import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from ragopt.bill.monte_carlo import N_SAMPLES
from ragopt.bill.price_book import PriceBook
from ragopt.errors import ArtifactError
from ragopt.report.figures import FIGURES, figure_of
from ragopt.report.page import page_html
from ragopt.report.words import usd_text
from ragopt.sweep.billed import book_of_run
from ragopt.sweep.decision_bill import bill_of_trial, crossovers_around, with_bill
from ragopt.sweep.kept_everywhere import everywhere_in_run, everywhere_json
from ragopt.sweep.run_folder import read_run
from tests.cli import ragopt as run_ragopt
from tests.cli import small_sweep
from tests.report_example import example_run, old_run


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """One small finished run, read."""
    folder = tmp_path_factory.mktemp("swept")
    done = run_ragopt(*small_sweep(folder))
    assert done.returncode == 0, done.stderr
    return read_run(folder / "run")


def changed(run, *path, value):
    """The run with another value at a path of its `everywhere`; `...` removes it."""
    everywhere = copy.deepcopy(run.info["everywhere"])
    place = everywhere
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return replace(run, info={**run.info, "everywhere": everywhere})


def test_a_sweep_keeps_it_and_it_is_read_back(swept):
    """What a sweep wrote is read as records and written again as it was; the recommended target's figures agree."""
    kept = everywhere_in_run(swept)
    assert everywhere_json(kept) == swept.info["everywhere"]
    decided = swept.recommendation
    [ours] = [one for one in kept.targets if one.name == decided.target]
    assert (ours.usd_per_month, ours.low, ours.high) == (decided.bill.usd_per_month, decided.bill.low,
                                                         decided.bill.high)  # fmt: skip
    found = kept.tornado.found
    assert (found.target, found.usd_per_month, found.low, found.high, found.n_samples) == (
        decided.target, ours.usd_per_month, ours.low, ours.high, N_SAMPLES
    )  # fmt: skip
    assert {one.usd_per_month for one in kept.tornado.swings} == {ours.usd_per_month}
    assert (kept.crossovers.result.low, kept.crossovers.result.high) == (1000, 100_000)


def test_the_page_shows_what_was_kept(swept):
    """The report of a sweep draws from run.json: another figure there is another figure on the page."""
    [first, *_] = swept.info["everywhere"]["targets"]
    other = changed(swept, "targets", 0, value={**first, "usd_per_month": "0.07", "low": "0.01", "high": "98765.43"})
    assert "98,765.43" in page_html(other)
    assert usd_text(Decimal(first["usd_per_month"])) in page_html(swept)


def test_deciding_again_keeps_the_same(swept):
    """Billed again with the run's own prices, targets, tornado and crossovers are those that it keeps."""
    again = with_bill(old_style(swept), book_of_run(swept))
    assert again.info["everywhere"] == swept.info["everywhere"]


def old_style(run):
    return replace(run, info={name: value for name, value in run.info.items() if name != "everywhere"})


def test_a_run_from_before_keeps_none():
    """No key, no records; with targets alone, as runs kept them first, neither tornado nor crossovers."""
    assert everywhere_in_run(old_run()) is None
    first = {name: value for name, value in example_run().info["everywhere"].items()
             if name not in ("tornado", "crossovers")}  # fmt: skip
    kept = everywhere_in_run(replace(example_run(), info={**example_run().info, "everywhere": first}))
    assert (kept.tornado, kept.crossovers) == (None, None)
    assert everywhere_json(kept) == first


def test_a_reason_instead_of_crossovers_is_kept(swept):
    """Where no target is sold at any of the sizes, the reason is written and read back in words."""
    whole = bill_of_trial(swept, swept.trials[0], book_of_run(swept), targets=("faiss-ram",))
    reason = crossovers_around(replace(whole, book=PriceBook([])))
    assert reason.startswith("No target can be billed (")
    kept = replace(everywhere_in_run(swept), crossovers=reason)
    run = replace(swept, info={**swept.info, "everywhere": json.loads(json.dumps(everywhere_json(kept)))})
    assert everywhere_in_run(run).crossovers == reason


@pytest.mark.parametrize("n_vectors", [1, 999, 10_000, 123_456, 10**12])
def test_the_range_is_a_tenth_to_a_hundred_times(swept, n_vectors):
    """From a tenth of the billed vectors, at least 1,000, to a hundred times them, at most what a workload holds."""
    whole = bill_of_trial(swept, swept.trials[0], book_of_run(swept), targets=("faiss-ram",))
    decision = crossovers_around(replace(whole, workload=replace(whole.workload, n_vectors=n_vectors)))
    low = max(1_000, n_vectors // 10)
    assert (decision.result.low, decision.result.high) == (low, min(max(100 * n_vectors, 100_000), 10**12))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("targets",), None),
        (("targets",), ...),
        (("targets", 0), 7),
        (("targets", 0, "name"), 7),
        (("targets", 0, "usd_per_month"), 5),
        (("targets", 0, "usd_per_month"), "NaN"),
        (("targets", 0, "usd_per_month"), "-1"),
        (("targets", 0, "usd_per_month"), "1e400"),
        (("targets", 0, "usd_per_month"), "many"),
        (("targets", 0, "low"), "999999"),
        (("targets", 0, "serves_the_index"), "yes"),
        (("targets", 0, "ends"), None),
        (("shared_usd_per_month",), ...),
        (("not_billed",), [7]),
        (("not_billed",), 7),
        (("tornado",), None),
        (("tornado", "swings"), 7),
        (("tornado", "swings", 0, "usd_at_low"), 7),
        (("tornado", "swings", 0, "usd_per_month"), "1.00"),
        (("tornado", "swings", 0, "words"), ...),
        (("tornado", "range", "level"), 95),
        (("tornado", "range", "n_samples"), 0),
        (("tornado", "range", "n_refused"), "none"),
        (("crossovers",), 7),
        (("crossovers", "by"), "days"),
        (("crossovers", "sizes"), [5, 4]),
        (("crossovers", "sizes"), []),
        (("crossovers", "sizes", 0), "10"),
        (("crossovers", "sizes", 0), True),
        (("crossovers", "usd"), []),
        (("crossovers", "usd", "early"), ["1"]),
        (("crossovers", "usd", "early", 0), 1),
        (("crossovers", "leaders", 0), "nobody"),
        (("crossovers", "barred", 0), ["nobody"]),
        (("crossovers", "barred", 0), [[]]),
        (("crossovers", "changes", 0, "at"), 0),
        (("crossovers", "changes", 0, "usd_to"), None),
        (("crossovers", "sentence"), 7),
        (("crossovers", "reason"), 7),
    ],
)  # fmt: skip
def test_damage_is_one_clear_error(path, value):
    """A key that is missing or of another kind: an ArtifactError that names the file and the key, from page and API."""
    run = changed(example_run(), *path, value=value)
    with pytest.raises(ArtifactError, match=r"The run in runs/example is damaged: everywhere of run\.json") as caught:
        everywhere_in_run(run)
    assert "Sweep again" in str(caught.value)
    with pytest.raises(ArtifactError, match="everywhere of"):
        figure_of(run, path[0] if path[0] in FIGURES else "targets")


@pytest.mark.parametrize("value", [None, 7, [], "x"])
def test_everywhere_of_another_kind(value):
    """The whole key of another kind is the same error."""
    with pytest.raises(ArtifactError, match=r"everywhere of run\.json"):
        everywhere_in_run(replace(example_run(), info={**example_run().info, "everywhere": value}))


def test_the_json_has_decimal_strings_only(swept):
    """No money is a float in run.json: every number there is a count, a seed or the level."""
    text = json.dumps(swept.info["everywhere"])
    floats = re.findall(r"[ \[]-?\d+\.\d+[,}\]]", text)
    assert [one.strip(" ,}]") for one in floats] == ["0.95"]
    assert Path(swept.folder).name == "run"
