from __future__ import annotations

import functools
import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from bs4 import BeautifulSoup

from ragopt.errors import ArtifactError
from ragopt.records import Quality, RecallForecast, Trial
from ragopt.report.info import frontier, frontier_points
from ragopt.report.inline_svg import inline_svg
from ragopt.report.page import page_html, script_hash, write_page
from ragopt.report.provenance import not_measured
from tests.report_example import HOSTILE, example_run, hostile_run, nothing_fits_run, small_run

LIMIT_BYTES = 3_000_000


@functools.cache
def page(builder) -> str:
    """The page of an example run, rendered once."""
    return page_html(builder())


@pytest.fixture
def example():
    """The example's page, parsed."""
    return BeautifulSoup(page(example_run), "html.parser")


def cells(soup, table: str) -> list[list[str]]:
    rows = soup.select(f"#{table} tbody tr")
    return [[cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"])] for row in rows]


def number(text: str) -> float:
    return float(text.replace(",", "").removesuffix(" B").removeprefix("USD "))


def test_frontier_table_parses_back(example):
    """Every number of the frontier table is the record's number."""
    rows = cells(example, "frontier-table")
    for row, point in zip(rows, frontier(example_run()), strict=True):
        trial, quality, n_queries, usd, target, ram, disk, kind = row
        value, low, high = map(float, re.findall(r"[\d.]+", quality))
        assert trial == point.trial
        assert (value, low, high) == pytest.approx(
            (point.quality.value, point.quality.low, point.quality.high), abs=5e-5
        )
        assert number(n_queries) == point.quality.n_queries
        assert usd == f"{point.usd_per_month:,.2f}"
        assert target == point.target
        assert (number(ram), number(disk)) == (point.ram_bytes_per_vector, point.disk_bytes_per_vector)
        assert kind == ("measured" if point.confirmed else "estimated")


def test_all_trials_are_there(example):
    """The last table has every trial, unsuitable ones with their reason."""
    run = example_run()
    rows = cells(example, "trials-table")
    assert {row[0] for row in rows} == {str(result.trial) for result in run.trials}
    unsuitable = [row for row in rows if row[1] == "unsuitable"]
    assert len(unsuitable) == 2
    assert all(row[-1] == "48 does not divide 256; 32 and 64 do." for row in unsuitable)


def test_bills_add_up_beside_each_other(example):
    """Both bills are shown line by line, and the lines add up to the shown sums."""
    recommendation = example_run().recommendation
    tables = example.select("table.bill")
    for table, bill in zip(tables, (recommendation.bill, recommendation.baseline_bill), strict=True):
        shown = [number(row.find_all("td")[-1].get_text()) for row in table.select("tbody tr")]
        assert shown == [float(line.usd) for line in bill.lines]
        total = number(table.select("tfoot td")[-1].get_text())
        assert total == pytest.approx(sum(shown), abs=0.001)
        assert total == float(bill.usd_per_month)
        assert "2026-07-20" in table.get_text()


def test_estimates_stand_beside_measurements(example):
    """Each built finalist shows what selection estimated and what the build measured."""
    run = example_run()
    rows = [row for row in cells(example, "finalists-table") if row[1] == "recall_vs_exact@10"]
    built = [result.quality["recall_vs_exact@10"] for result in run.trials if result.confirmed]
    assert [(float(row[2]), float(row[3])) for row in rows] == [
        pytest.approx((one.estimated, one.value), abs=5e-5) for one in built
    ]


def test_answer_comes_first_in_words(example):
    """The heading is the decision; the answer has both bills, bytes, quality with interval, and the reasons."""
    assert example.h1.get_text() == "Use wordllama at 256 dimensions in a FAISS index PCAR128,PQ16np,Refine(SQfp16)."
    answer = example.select_one("main > section").get_text(" ", strip=True)
    for phrase in ("USD 23.81", "USD 381.21", "saves USD 357.40", "16 B", "0.9604", "[0.9552, 0.9656]", "n = 2,000"):
        assert phrase in answer
    assert "It is the cheapest of 38 trials" in answer


def test_first_screen_tells_range_and_size(example):
    """The bill has its range and what it is for; where the measured size is another, it is said, for latency too."""
    answer = " ".join(example.select_one("#answer").get_text(" ", strip=True).split())
    assert "95 % range [23.31, 24.56], for 100,000,000 vectors and 1,000,000 queries a month" in answer
    assert "The bill is for 100,000,000 vectors; quality and latency were measured with 8,988." in answer
    assert "p99 0.930 ms (one thread, n = 1,000), with 8,988 vectors" in answer
    run = example_run()
    same = replace(run, info={**run.info, "workload": run.info["workload"] | {"n_vectors": 8988}})
    answer = " ".join(BeautifulSoup(page_html(same), "html.parser").select_one("#answer").get_text(" ").split())
    assert "for 8,988 vectors and" in answer
    assert "quality and latency were measured with" not in answer
    assert "with 8,988 vectors" not in answer


@pytest.mark.parametrize(
    ("low", "said"),
    [(None, "at 100,000,000 vectors: at most 0.9700, no lower end known"),
     (0.9312, "at 100,000,000 vectors: forecast 0.9312 to 0.9700")],
)  # fmt: skip
def test_forecast_stands_beside_the_recall_it_is_of(low, said):
    """What recall is forecast at the billed size stands in the tile of recall_vs_exact and in no other."""
    run = example_run()
    forecast = RecallForecast(100_000_000, None, low, 0.97, "a method", "")
    soup = BeautifulSoup(
        page_html(replace(run, recommendation=replace(run.recommendation, forecast=forecast))), "html.parser"
    )
    tiles = [tile.get_text(" ", strip=True) for tile in soup.select(".tile")]
    assert [tile.startswith("recall_vs_exact@10") for tile in tiles if said in tile] == [True]


def test_runners_up_parse_back(example):
    """Every runner-up stands with the figures of its frontier point."""
    run = example_run()
    points = {point.trial: point for point in frontier_points(run, quality="recall_vs_exact@10")}
    rows = cells(example, "runners-up")
    assert [row[0] for row in rows] == list(run.recommendation.runners_up)
    for trial, quality, usd, target, ram, disk in rows:
        point = points[trial]
        assert quality == f"{point.quality.value:.4f} [{point.quality.low:.4f}, {point.quality.high:.4f}]"
        assert (usd, target) == (f"{point.usd_per_month:,.2f}", point.target)
        assert (number(ram), number(disk)) == (point.ram_bytes_per_vector, point.disk_bytes_per_vector)


def test_defaults_of_the_workload_are_marked():
    """What nobody stated is called a default; a run that does not say what was stated marks nothing."""

    def workload(**keys):
        run = example_run()
        info = {name: value for name, value in {**run.info, **keys}.items() if value is not ...}
        soup = BeautifulSoup(page_html(replace(run, info=info)), "html.parser")
        return " ".join(soup.select_one("#bill p").get_text().split())

    told = workload(workload_given=["n_vectors", "peak_qps"])
    assert "1,000,000 queries per month (default), peak 10 queries per second, 2 replicas (default)" in told
    assert "(default)" not in workload(workload_given=...)


def test_trust_section_tells_how_it_was_measured(example):
    """Versions, machine, seed, memory, warnings, fingerprint and the command are on the page."""
    trust = example.select_one("#trust").get_text(" ", strip=True)
    for phrase in ("faiss 1.15.1", "Example CPU, 2 cores, 8.0 GB", "734.0 MB", "nDCG was measured on 300", "0123abcd",
                   "ragopt sweep docs/handbook --no-chunk"):  # fmt: skip
        assert phrase in trust
    assert "set_index_parameters(index, 'k_factor_rf=25')" in example.select_one("#rebuild").get_text()


def test_what_was_not_measured_is_told(example):
    """The page says what a reader might take for measured and is not, sentence by sentence."""
    said = [line.get_text() for line in example.select("#not-measured li")]
    assert said == list(not_measured(example_run()))
    assert any("trials were not built" in sentence for sentence in said)


def test_synthetic_label_is_beside_the_figures(example):
    """Every section with quality carries the label when queries were made from the corpus."""
    for section in ("#answer", "#frontier", "#quality", "#trust", "#trials"):
        assert any(tag.get_text() == "synthetic queries" for tag in example.select(f"{section} .tag"))


def test_page_is_written_whole(tmp_path):
    """The file is the page in UTF-8, alone in its folder and small; real queries carry no synthetic label."""
    write_page(example_run(synthetic=False), tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    blob = (tmp_path / "report.html").read_bytes()
    assert len(blob) < LIMIT_BYTES
    assert blob.rstrip().endswith(b"</html>")
    assert "synthetic queries" not in blob.decode()


@pytest.mark.parametrize("builder", [example_run, hostile_run, nothing_fits_run])
def test_page_is_self_contained(builder):
    """Nothing is fetched, and one script may run, by its hash: no handlers, no form, links only to prices."""
    html = page(builder)
    soup = BeautifulSoup(html, "html.parser")
    assert not soup.find_all(["link", "img", "iframe", "object", "embed", "form", "base"])
    numbers, script = soup.find_all("script")
    assert numbers.attrs == {"type": "application/json", "id": "run-data"}
    assert script.attrs == {}
    policy = soup.select_one("meta[http-equiv=Content-Security-Policy]")["content"]
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src '{script_hash(script.string)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    for element in soup.find_all(True):
        assert not [name for name in element.attrs if name.lower().startswith("on")]
        for name in ("href", "src", "xlink:href"):
            if name == "href" and element.name == "a" and element.find_parent(id="prices-used"):
                assert element["href"].startswith(("https://", "http://"))
                assert element["rel"] == ["noreferrer", "noopener"]
            else:
                assert element.get(name, "#").startswith("#")
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_hostile_text_is_escaped_everywhere():
    """Markup, template syntax and control characters from the corpus appear as text only; long lines are cut."""
    html = page(hostile_run)
    soup = BeautifulSoup(html, "html.parser")
    assert html.count("<script") == html.count("</script") == 2
    assert "{{7*7}}" in soup.get_text()
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert HOSTILE.removesuffix("\u202e") in soup.select_one("#trust li").get_text() + soup.h1.get_text()
    assert "(10,000 characters)" in soup.get_text()
    assert "x" * 500 not in html
    assert len(soup.find_all("style")) == 1
    assert len(soup.select("#frontier svg:not(.swatch)")) == 4


def test_ids_are_unique_and_anchors_lead_somewhere(example):
    """No id is used twice, charts included, and every link in the page has its target."""
    ids = [element["id"] for element in example.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert {link["href"].removeprefix("#") for link in example.select('a[href^="#"]')} <= set(ids)


def test_nothing_fits_says_so_before_anything_else():
    """The heading and the answer say that nothing fits, and no trial is called recommended."""
    soup = BeautifulSoup(page(nothing_fits_run), "html.parser")
    assert soup.h1.get_text().startswith("No trial meets the limits")
    assert "--max-usd 1.00" in soup.select_one("#answer").get_text()
    assert "Meets every limit" not in soup.get_text()
    assert not soup.select("tr.pick")


def test_large_grid_stays_small(rng):
    """With 1,900 judged trials, every figure another, the page stays under 3 MB and says what it leaves out."""
    run = example_run()
    trials = []
    for n, result in zip(range(1_900), itertools.cycle(run.trials), strict=False):
        if n >= len(run.trials):
            trial = Trial(result.trial.space, result.trial.factory, f"nprobe={n}")
            reason = f"dropped after 100 queries: at least 3 trials that cost no more find {n / 2000:.4f}"
            result = replace(result, trial=trial, status="dropped", reason=reason, confirmed=False)  # noqa: PLW2901
        names = [*result.quality, "mrr@10", "recall_vs_qrels@10"] if result.quality else []
        quality = {name: Quality(*(round(float(one), 6) for one in np.sort(rng.uniform(0, 1, 3))[[1, 0, 2]]), 100)
                   for name in names}  # fmt: skip
        scores = {"ndcg@10": rng.uniform(0, 1, 100).astype(np.float32)} if names else {}
        if result.confirmed or result.trial.factory == "Flat":
            scores["selection/ndcg@10"] = scores.get("ndcg@10", np.ones(100, np.float32))
        trials.append(replace(result, quality=quality, per_query=scores))
    html = page_html(replace(run, trials=tuple(trials)))
    assert len(html.encode()) < LIMIT_BYTES
    assert "The other 900 are in trials.parquet." in html
    assert "this page leaves out charts for another cost or a narrow screen" in html


def test_inline_svg_rewrites_tags_only():
    """Ids get a prefix and numbers are shortened in tags, never in the text between them."""
    svg = (
        '<svg width="10" height="5" viewBox="0 0 10 5">'
        '<g id="c" clip-path="url(#c)"><text x="1.23456">1.23456 id="c"</text></g></svg>'
    )
    assert inline_svg(svg, "a") == (
        '<svg viewBox="0 0 10 5" style="max-width:10px" aria-hidden="true" focusable="false">'
        '<g id="a-c" clip-path="url(#a-c)"><text x="1.23">1.23456 id="c"</text></g></svg>'
    )


def test_a_recommended_model_that_the_run_does_not_list():
    """A run folder that does not fit together is an ArtifactError, not a traceback."""
    run = example_run()
    with pytest.raises(ArtifactError, match=r"which its run\.json does not list"):
        page_html(replace(run, info=run.info | {"models": []}))


def test_equal_bills_are_not_drawn_as_a_column():
    """When every bill is the same the page draws the RAM axis alone, wide and narrow."""
    soup = BeautifulSoup(page(small_run), "html.parser")
    assert len(soup.select("#frontier svg:not(.swatch)")) == 2
    assert not soup.select("input[name=axis]")
    assert "because all 38 trials cost the same within 1 %" in soup.select_one("#frontier figcaption").get_text()
