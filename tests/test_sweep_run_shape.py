"""A run.json that lacks a key, or holds another kind of value there, is one clear error in whatever reads the run."""

import io

import pytest
from rich.console import Console

from ragopt.artifacts import canonical_json
from ragopt.choose import Limits
from ragopt.compare.comparing import compare_runs
from ragopt.errors import ArtifactError, RagoptError
from ragopt.report.comparison_sheet import comparison_sheet
from ragopt.report.markdown import markdown_of
from ragopt.report.page import page_html
from ragopt.report.report_text import print_report
from ragopt.report.sheet_markdown import sheet_markdown
from ragopt.sweep.recommending import recommend_from
from ragopt.sweep.run_folder import read_run, write_decision
from ragopt.sweep.run_shape import OPTIONAL, REQUIRED, check_shape
from tests.report_example import example_run
from tests.resealed import reseal

OTHERS = (..., None, 5, -1, 0.5, True, "x", [], [5], {}, {"x": 5})
"""In place of a value: nothing, and every kind of JSON."""

ON_THE_PAGE = ("billed_on", "everywhere", "everywhere.targets", "workload.n_vectors")
"""What the page reads by itself; the terminal and the markdown take much of a second less."""

FEW = (..., None, 5, "x", [], {"x": 5})
"""One of each kind, where everything is said of the run that has it."""

PYTHON = ("Error", "NoneType", "Traceback", "None", "subscript", "attribute '", "KeyError")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run that may be damaged again and again."""
    found = tmp_path_factory.mktemp("runs") / "run"
    found.mkdir()
    write_decision(found, example_run())
    return found


def with_value(info, place, value):
    """The content of run.json with another value at a place; `...` removes it."""
    table, _, last = place.rpartition(".")
    inner = {**(info[table] if table else info), last: value}
    inner = {name: one for name, one in inner.items() if one is not ...}
    return {**info, table: inner} if table else inner


def places(info):
    """Every key of run.json, and those of its tables."""
    return [*info, *(f"{key}.{name}" for key, value in info.items() if isinstance(value, dict) for name in value)]


def said_of(folder, place, value):
    """What the error on reading says; None where the run is read."""
    info = example_run().info
    changed = with_value(info, place, value)
    try:
        check_shape(folder, "run.json", changed)
    except ArtifactError as error:
        return error
    return None


@pytest.mark.parametrize("place", [*REQUIRED])
def test_every_required_key_is_missed_and_checked(folder, place):
    """Without it, and with each wrong kind, the error names folder, file, key and what is allowed."""
    kind = REQUIRED[place]
    values = [value for value in OTHERS if value is ... or not kind.fits(value)]
    assert len(values) >= 5
    for value in values:
        error = said_of(folder, place, value)
        told = f"no {place}" if value is ... else f"{place} {canonical_json(value)}"
        assert (
            str(error)
            .replace(": ", ":")
            .startswith(f"The run in {folder} is damaged: run.json has {told}".replace(": ", ":"))
        )
        assert error.allowed == kind.words
        assert error.next_step == "Sweep again"


@pytest.mark.parametrize("place", [*OPTIONAL])
def test_an_optional_key_may_be_missing_and_not_wrong(folder, place):
    """An older run is read without it; another kind of value is told like that of any other key."""
    assert said_of(folder, place, ...) is None
    wrong = [value for value in OTHERS[1:] if not OPTIONAL[place].fits(value)]
    assert wrong
    assert all(f"run.json has {place} " in str(said_of(folder, place, value)) for value in wrong)


def raised_by(folder, other, *, page):
    """Read a run and say all that can be said of it: what is wrong, or nothing."""
    try:
        run = read_run(folder)
        print_report(run, Console(file=io.StringIO(), width=120))
        markdown_of(run)
        for pair in ((run, other), (other, run)):
            sheet_markdown(comparison_sheet(compare_runs(*pair)))
        recommend_from(run.trials, Limits(min_recall=0.6), objective="usd", info=run.info)
        if page:
            page_html(run)
    except RagoptError as error:
        return error
    return None


@pytest.mark.parametrize("place", places(example_run().info))
def test_no_output_raises_pythons_own_errors(folder, place):
    """Whatever stands at a key, each output is made, or it says in one message what is wrong in which run."""
    info = example_run().info
    reseal(folder, **info)
    other = read_run(folder)
    key = place.partition(".")[0]
    for value in FEW:
        changed = with_value(info, place, value)
        reseal(folder, **info | {key: changed.get(key, ...)})
        error = raised_by(folder, other, page=place in ON_THE_PAGE and value in (None, "x"))
        if error is None:
            continue
        assert str(folder) in str(error)
        assert not [word for word in PYTHON if word in str(error)]
        if place not in ("k", "schema"):  # another k, or a newer ragopt, is no damage and is told otherwise
            assert f"The run in {folder} is damaged: " in str(error)
            assert key in str(error)
            assert "Sweep again" in error.next_step


@pytest.mark.parametrize("content", ["[]", "5", "null", '"x"', "{}"])
def test_another_kind_of_file_is_told(folder, content):
    """A run.json that is no table, or has no schema, is one clear error."""
    kept = (folder / "run.json").read_text()
    try:
        (folder / "run.json").write_text(content)
        with pytest.raises(ArtifactError) as caught:
            read_run(folder)
    finally:
        (folder / "run.json").write_text(kept)
    told = "run.json has no schema" if content == "{}" else "run.json is no table"
    assert str(caught.value).startswith(f"The run in {folder} is damaged: {told}. ")
