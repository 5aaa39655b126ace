"""A run as users hold it: read, shown in one line, drawn in a notebook, written as files."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import altair as alt
import pytest

import ragopt
from ragopt import records
from ragopt.errors import InputError
from ragopt.finished_run import Run
from ragopt.report import figures
from ragopt.report.charts import frontier_chart
from ragopt.report.figure import Figure, NoFigure, Table
from ragopt.report.frontier_figure import frontier_figure
from ragopt.report.frontier_table import frontier_rows
from ragopt.report.markdown import markdown_of
from ragopt.report.pictures import svg_text
from ragopt.sweep.run_folder import read_run, write_decision
from tests.cache_example import with_example_cache
from tests.report_example import HOSTILE, example_run, hostile_run, nothing_fits_run, small_run

NAMES = ("frontier", "dimensions", "codecs", "rescoring", "estimates", "bill_lines", "targets", "crossovers", "tornado",
         "cache_hits", "cache_marginal", "cache_savings", "cache_ttl", "cache_false_hits")  # fmt: skip


def drawn(run):
    """A figure that says how it was asked to be drawn."""

    def draw(*, narrow, titled):
        return ("drawn", run.folder, narrow, titled)

    return Figure("any", "Any", "Caption.", Table((), ()), draw)


def none(run):
    assert run.trials
    return NoFigure("any", "Any", "Every trial has one dimension.")


def test_it_reads_a_run_folder(tmp_path):
    """Run.read gives what read_run gives, with the verbs; a changed copy keeps them."""
    write_decision(tmp_path, example_run())
    run = Run.read(str(tmp_path))
    kept = read_run(tmp_path)
    assert (run.folder, run.info, run.trials, run.recommendation) == (
        kept.folder, kept.info, kept.trials, kept.recommendation,
    )  # fmt: skip
    assert type(run) is ragopt.Run is Run
    assert isinstance(run, records.Run)
    assert type(replace(run, folder="elsewhere")) is Run
    assert Run.of(kept) == run
    with pytest.raises(InputError, match="holds no finished run"):
        Run.read(tmp_path / "nowhere")


@pytest.mark.parametrize("name", NAMES)
def test_each_chart_is_drawn_from_the_registry(name, monkeypatch):
    """The method of a chart draws the figure of that name, as wide and with the title that was asked for."""
    monkeypatch.setitem(figures.FIGURES, name, f"{__name__}:drawn")
    draw = getattr(Run.of(example_run()), f"{name}_chart")
    assert draw() == ("drawn", "runs/example", False, True)
    assert draw(narrow=True, titled=False) == ("drawn", "runs/example", True, False)
    assert len(draw.__doc__) > 20


@pytest.mark.parametrize("name", NAMES)
def test_a_chart_without_numbers_says_why(name, monkeypatch):
    """A run that lacks the numbers of a chart raises InputError with the figure's reason."""
    monkeypatch.setitem(figures.FIGURES, name, f"{__name__}:none")
    with pytest.raises(InputError, match="The run runs/example has no numbers for the chart any: Every trial has one"):
        getattr(Run.of(example_run()), f"{name}_chart")()


def test_every_figure_has_a_method():
    """Each name of the registry is a documented method of the run."""
    for name in figures.FIGURES:
        assert getattr(Run, f"{name}_chart").__doc__


def test_an_unknown_chart_names_the_known():
    """A chart that there is not is an error that lists those that there are."""
    with pytest.raises(InputError, match=r"There is no chart pie\. Allowed: "):
        Run.of(example_run()).chart("pie")


@pytest.mark.parametrize("name", [name for name in NAMES if name in figures.FIGURES])
@pytest.mark.parametrize("narrow", [False, True])
def test_a_notebook_shows_every_chart(name, narrow):
    """As a cell's last value a chart is a valid Vega-Lite specification with its data inside."""
    run = Run.of(with_example_cache(example_run()))
    if isinstance(figures.figure_of(run, name), NoFigure):
        pytest.skip(f"the example has no numbers for {name}")
    chart = run.chart(name, narrow=narrow)
    specification = chart.to_dict()
    assert '"url"' not in json.dumps(specification)
    assert specification["$schema"] in chart._repr_mimebundle_()["text/html"]
    with alt.renderers.enable("mimetype"):
        data, _ = chart._repr_mimebundle_()
    assert specification in data.values()


@pytest.mark.parametrize("name", [name for name in NAMES if name in figures.FIGURES])
def test_a_chart_drawn_twice_is_the_same_picture(name):
    """The SVG of a chart is the same to the byte however many were drawn before it."""
    run = Run.of(with_example_cache(example_run()))
    if isinstance(figures.figure_of(run, name), NoFigure):
        pytest.skip(f"the example has no numbers for {name}")
    first, second = (svg_text(run.chart(name)) for _ in range(2))
    assert first == second
    for clip in re.findall(r"url\(#(\w+)\)", first):
        assert first.count(f'id="{clip}"') == 1


def test_the_frontier_chart_is_the_one_of_the_page():
    """The method and the figure draw what `frontier_chart` draws, narrow with the legend below."""
    run = Run.of(small_run())
    assert run.frontier_chart().to_json() == frontier_chart(run).to_json()
    narrow = run.frontier_chart(narrow=True, titled=False).to_json()
    assert narrow == frontier_chart(run, titled=False, legend="bottom", width=270, height=320).to_json()


def test_the_frontier_figure_has_the_frontier_as_numbers():
    """Its table has a row for each point of the frontier and for what is marked beside it, figures as everywhere."""
    figure = frontier_figure(example_run())
    assert figure.title == "recall_vs_exact@10 against USD per month"
    assert "38 trials on docs/handbook, 9 on the frontier" in figure.caption
    assert [row[0] for row in figure.table.rows] == [point.trial for point in frontier_rows(example_run()).kept]
    assert figure.table.rows[4] == (
        "wordllama@256:none | PCAR128,PQ16np,Refine(SQfp16) | k_factor_rf=25", "0.9604 [0.9552, 0.9656]", "2,000",
        "23.81", "faiss-ram-nvme", "16 B + 512 B", "measured, recommended",
    )  # fmt: skip


def test_the_frontier_of_nothing_has_a_reason():
    """A run without a measured trial has no frontier, and says so."""
    run = example_run()
    empty = Run.of(replace(run, trials=tuple(one for one in run.trials if one.status == "unsuitable")))
    with pytest.raises(InputError, match="chart frontier: No trial of this run has recall_vs_exact@10 and a bill"):
        empty.frontier_chart()


def test_markdown_is_the_summary():
    """`markdown` is the text that `ragopt report --md` writes, without a picture."""
    assert Run.of(example_run()).markdown() == markdown_of(example_run())


def test_it_writes_files_in_order(tmp_path):
    """`write_report` gives back what it wrote, page first, markdown last."""
    run = Run.of(small_run())
    files = {"md": tmp_path / "a.md", "html": str(tmp_path / "a.html"), "svg": tmp_path / "a.svg"}
    assert run.write_report(**files) == tuple(tmp_path / name for name in ("a.html", "a.svg", "a.md"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.md", "a.svg"]


def test_a_run_and_its_records_show_their_figures_in_one_line():
    """Trial, quality with its interval, bytes, bill with its range and baseline; no dump of every field."""
    run = Run.of(example_run())
    recommendation = (
        "<Recommendation wordllama@256:none | PCAR128,PQ16np,Refine(SQfp16) | k_factor_rf=25: measured on a built "
        "index; recall_vs_exact@10 0.9604 [0.9552, 0.9656], n = 2,000 (synthetic queries); ndcg@10 0.5119 [0.4919, "
        "0.5319], n = 300 (synthetic queries); 16 B of codes and 512 B of tier per vector; USD 23.81 [23.31, 24.56] "
        "per month on faiss-ram-nvme, baseline USD 381.21 [380.71, 381.96] per month on faiss-ram>"
    )
    assert repr(run.recommendation) == recommendation
    assert repr(run) == f"<Run runs/example: 40 trials on docs/handbook; {recommendation}>"
    assert repr(run.recommendation.bill) == "<Bill USD 23.81 [23.31, 24.56] per month on faiss-ram-nvme, 3 lines>"
    assert repr(run.trials[1]) == (
        "<TrialResult wordllama@256:none | SQ8: finalist; measured on a built index; recall_vs_exact@10 0.9932 [0.9890"
        ", 0.9974], n = 2,000; ndcg@10 0.5127 [0.4927, 0.5327], n = 300; 256 B of codes and 0 B of tier per vector; "
        "least bill USD 100.89 [100.39, 101.64] per month on faiss-ram>"
    )
    assert repr(run.trials[-1]) == (
        "<TrialResult wordllama@256:none | IVF65536,SQ8: unsuitable; 48 does not divide 256; 32 and 64 do.>"
    )


def test_what_does_not_fit_and_what_is_estimated_is_said():
    """The repr of a closest trial does not read as a recommendation, nor an estimate as a measurement."""
    chosen = nothing_fits_run().recommendation
    assert repr(chosen).startswith("<Recommendation nothing_fits, the closest is wordllama@256:none | PCAR128")
    assert "; k_factor" not in repr(chosen)
    assert "estimated, not built" in repr(replace(chosen, confirmed=False))


def test_hostile_names_stay_in_one_line():
    """Control characters and line ends are spelt out, a long name is cut."""
    run = replace(hostile_run(), folder=f"a\nb\x1b[2J{HOSTILE}{'x' * 1000}")
    for one in (run, run.recommendation, *run.trials):
        assert "\n" not in repr(one)
        assert "\x1b" not in repr(one)
        assert "\u202e" not in repr(one)
    assert "a\\nb\\x1b[2J" in repr(run)
    assert "x" * 201 not in repr(run)


def test_a_whole_bill_shows_the_cheapest():
    """How many targets, the cheapest bill and what is missing, in one line."""
    whole = ragopt.bill(dim=256, workload={"n_vectors": "1M"}, targets=["faiss-ram", "chroma"])
    shown = repr(whole)
    assert shown == (
        f"<WholeBill 1,000,000 vectors at 2 targets; cheapest: {whole.cheapest!r}; shared USD "
        f"{whole.shared_usd_per_month:,.2f} per month; 0 targets not billed; {len(whole.warnings)} warnings>"
    )
    assert f"<Bill USD {whole.cheapest.usd_per_month:,.2f} [" in shown
