"""Terminal, JSON, markdown and page of a comparison: the records' numbers, and inert whatever a run is named."""

import io
import re
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from ragopt.compare.comparing import compare_runs
from ragopt.compare.comparison_json import comparison_json
from ragopt.compare.max_increase import MaxIncrease
from ragopt.records import Quality
from ragopt.report.comparison_sheet import comparison_sheet
from ragopt.report.sheet import Column, Grid, Name, Row, Section, Sheet, plain
from ragopt.report.sheet_markdown import sheet_markdown
from ragopt.report.sheet_page import sheet_page
from ragopt.report.sheet_text import print_sheet
from tests.compared import NDCG, RECALL, asked, bill_of_lines, line, plain_bill, write_run
from tests.rendered_markdown import Rendered
from tests.report_example import HOSTILE

PINGS = (
    "@octocat #1 GH-2 | `tick` ``two`` <img src=x onerror=alert(1)> [x](https://example.org) **b** \\| $x$ :tada: "
    "0123abcdef0123abcdef www.example.org a@example.org owner/name#7 ~~s~~ <https://example.org> &amp;"
)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A fall, a rise, a quality of one run only, another bill with another price, another workload and machine."""
    folder = tmp_path_factory.mktemp("runs")
    a = write_run(
        folder / "a", {RECALL: [1.0] * 200, NDCG: [0.5] * 200, "mrr@10": [0.5] * 200}, asked(200, judgements="j"),
        bill=bill_of_lines(line("compute", "VMs: 1 x c7g.medium", "730", "0.04"), line("storage", "Disk", "9", "0.08")),
        info={"everywhere": {"shared_usd_per_month": "4.00", "targets": [], "not_billed": []}},
    )  # fmt: skip
    b = write_run(
        folder / "b", {RECALL: [0.5] * 20 + [1.0] * 180, NDCG: [0.6] * 200}, asked(200, judgements="j"),
        bill=bill_of_lines(line("compute", "VMs: 2 x c7g.medium", "1460", "0.05", as_of="2026-11-01")),
        info={"everywhere": {"shared_usd_per_month": "4.25", "targets": [], "not_billed": []},
              "machine": {"cpu": "Other CPU"}},
        n_vectors=2_000_000,
    )  # fmt: skip
    return compare_runs(a, b, max_increase=MaxIncrease.parse("10%"))


def rendered(markdown):
    """Markdown as GitHub's tables and CommonMark make it, raw HTML allowed as there."""
    return BeautifulSoup(MarkdownIt("gfm-like", {"linkify": False}).render(markdown), "html.parser")


def tables_of(soup):
    """Cells of every table by its heads; the whitespace at their ends, which no reader sees, aside."""
    found = {}
    for table in soup.find_all("table"):
        heads = tuple(cell.get_text().strip() for cell in table.select("thead th"))
        rows = [[cell.get_text().strip() for cell in row.find_all(["th", "td"])] for row in table.select("tbody tr")]
        found.setdefault(heads, []).append(rows)
    return found


FORMS = {"page": lambda sheet: BeautifulSoup(sheet_page(sheet), "html.parser"),
         "markdown": lambda sheet: rendered(sheet_markdown(sheet))}  # fmt: skip


def number(text):
    return float(text.replace(",", "").removesuffix(" B"))


@pytest.mark.parametrize("form", FORMS)
def test_numbers_parse_back_to_the_records(found, form):
    """Every quality, difference, part, line, size and price that is shown is the record's, in page and markdown."""
    tables = tables_of(FORMS[form](comparison_sheet(found)))
    [quality] = tables["Quality", "B - A [95 %]", "Change", "A [95 %]", "B [95 %]", "Queries"]
    for row, one in zip(quality, found.quality, strict=True):
        assert row[0] == one.name
        if one.difference is None:
            assert (row[1], row[2], row[4], row[5]) == ("", "not comparable", "none", "200")
            continue
        for text, record in ((row[1], one.difference), (row[3], one.a), (row[4], one.b)):
            shown = [float(value) for value in re.findall(r"[-+]?\d\.\d{4}", text)]
            assert shown == pytest.approx([record.value, record.low, record.high], abs=5e-5)
        assert row[5] == f"{one.difference.n} paired"
    assert [row[2] for row in quality] == ["fell", "rose", "not comparable"]
    money = ("A, USD", "B, USD", "B - A, USD")
    [parts] = tables["Part", *money]
    assert [[row[0], number(row[1]), number(row[2])] for row in parts[:2]] == [
        [one.part, float(one.a), float(one.b)] for one in found.bill.parts
    ]
    assert parts[2] == ["sum", "29.92", "73.00", "+43.08 (+144.0 %)"]
    assert parts[3] == ["saving against float32", "70.08", "27.00", "-43.08"]
    assert parts[4][1:] == ["4.00", "4.25", "+0.25"]
    [lines] = tables["Line", "A", "B", *money]
    assert lines == [
        ["VMs", "730 hour x 0.04: 1 x c7g.medium", "1,460 hour x 0.05: 2 x c7g.medium", "29.20", "73.00", "+43.80"],
        ["Disk", "9 hour x 0.08", "none", "0.72", "0.00", "-0.72"],
    ]
    [sizes] = tables["Place", "A", "B", "B - A"]
    assert [(number(row[1]), number(row[2]), number(row[3])) for row in sizes] == [
        (one.a, one.b, one.b - one.a) for one in found.sizes
    ]
    [prices] = tables["Price of", "Target", "A", "B", "A, source", "B, source"]
    assert prices[0][:4] == ["VMs", "faiss-ram", "0.04 per hour, 2026-07-20", "0.05 per hour, 2026-11-01"]
    workload, inputs = tables["Field", "A", "B"]
    assert workload == [["n_vectors", "100000000", "2000000"]]
    assert ["machine.cpu", "Example CPU", "Other CPU"] in inputs


def test_json_has_the_numbers_of_the_records(found):
    """JSON carries every record with its exact figures; money as decimal strings."""
    told = comparison_json(found)
    assert (told["exit_code"], told["failures"]) == (4, ["quality", "bill"])
    for value, one in zip(told["quality"], found.quality, strict=True):
        assert (value["name"], value["fell"], value["paired"]) == (one.name, one.fell, one.paired)
        gap = one.difference
        assert value["difference"] == (
            None if gap is None else {"value": gap.value, "low": gap.low, "high": gap.high, "n": gap.n}
        )
    bill = told["bill"]
    assert [bill[name] for name in ("a", "b", "increase", "max_increase", "allowed_increase", "rose")] == [
        "29.92", "73.00", "43.08", "10%", "2.992", True,
    ]  # fmt: skip
    assert bill["lines"][1]["a"]["usd"] == "0.72"
    assert bill["lines"][1]["b"] is None
    assert told["a"]["trial"] == str(found.a.decision.trial)
    assert told["b"]["cpu"] == "Other CPU"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_terminal_says_every_cell(found, width):
    """Narrow or wide, every figure of the sheet is printed, without colour where it is no terminal."""
    sheet, stream = comparison_sheet(found), io.StringIO()
    print_sheet(sheet, Console(file=stream, width=width, highlight=False))
    text = stream.getvalue()
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width
    flat = re.sub(r"\s+", "", text)
    told = [plain(sheet.headline), *map(plain, sheet.sentences)]
    told += [cell for part in sheet.sections for grid in part.grids for row in grid.rows for cell in row.cells]
    if width < 200:  # cells that fold in a table are broken by those beside them
        assert [one for one in told if re.sub(r"\s+", "", one) not in flat and len(one) < 30] == []
    assert flat.startswith("Failed:recall_vs_exact@10fell;thebillrosebymorethan--max-increase10%.")


def test_what_was_billed_otherwise_is_said_first(found):
    """Before any table a reader knows that workload and prices are others: the index is not all that moved the bill."""
    said = [plain(one) for one in comparison_sheet(found).sentences]
    assert said[:5] == [
        "Not compared: mrr@10; the reasons are under the table.",
        "The bill went from USD 29.92 to USD 73.00 a month: USD +43.08 (+144.0 %).",
        "The bills are for other workloads: n_vectors.",
        "Unit prices changed: VMs.",
        "--max-increase 10% allows USD 2.992 a month more: the change is more than that.",
    ]


def test_headlines(tmp_path):
    """The first sentence says passed or failed and why; a bill that nobody limits is told and not judged."""
    a = write_run(tmp_path / "a", {RECALL: [1.0] * 3}, asked(3), bill=plain_bill("10.00"))
    b = write_run(tmp_path / "b", {RECALL: [1.0] * 3}, asked(3), bill=plain_bill("11.00"))
    other = write_run(tmp_path / "c", {RECALL: [1.0] * 3}, asked(3), bill=plain_bill("10.00"), model="other",
                      status="nothing_fits", info={"arguments": {"min_recall": 0.99}})  # fmt: skip

    def said(*runs, limit=None):
        sheet = comparison_sheet(compare_runs(*runs, max_increase=limit and MaxIncrease.parse(limit)))
        return plain(sheet.headline), [plain(one) for one in sheet.sentences]

    headline, rest = said(a, b)
    assert headline == "Passed: no quality fell beyond its interval."
    assert "The bill went from USD 10.00 to USD 11.00 a month: USD +1.00 (+10.0 %)." in rest
    assert "The bill is told and not judged: there is no --max-increase." in rest
    headline, rest = said(a, b, limit="1")
    assert headline == "Passed: no quality fell beyond its interval, and the bill is within --max-increase 1."
    assert "--max-increase 1 allows USD 1.00 a month more: the change is within that." in rest
    assert said(a, b, limit="9.99%")[0] == "Failed: the bill rose by more than --max-increase 9.99%."
    headline, rest = said(a, other)
    assert headline == (
        "Failed: B has no trial that meets its limits, A had one; no quality of the two runs can be compared."
    )
    assert "The runs were given other limits: arguments.min_recall, see the inputs." in rest
    assert "Both bill USD 10.00 a month." in rest
    assert said(other, a)[1][0].startswith("A had no trial that meets its limits")
    assert said(other, other)[1][0].startswith("Neither run has a trial that meets its limits")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Two runs whose model, machine, target, bill items and versions are markup, mentions and control characters."""
    folder = tmp_path_factory.mktemp("hostile")
    runs = []
    for name in ("a", "b"):
        bad = f"{name} {HOSTILE} {PINGS}\x1b[31m"
        bill = bill_of_lines(line("compute", f"{bad}: {bad}", "1", "2", source=bad + "1"), target=bad)
        runs.append(
            write_run(
                folder / name,
                {RECALL: [1.0] * 3},
                asked(3),
                bill=bill,
                model=f"m{HOSTILE}{PINGS.replace('|', '')}",
                corpus=bad,
                info={
                    "machine": {"cpu": bad},
                    "ragopt_version": bad,
                    "versions": {bad: bad},
                    "arguments": {"device": f"{name}@octocat www.example.org"},
                },
            )
        )
    return compare_runs(*runs)


def test_hostile_names_are_inert_on_the_page(hostile):
    """Whatever a run is named, the page has no element, handler or style of it."""
    text = sheet_page(comparison_sheet(hostile))
    soup = BeautifulSoup(text, "html.parser")
    assert not soup.find_all(["script", "link", "img", "iframe", "object", "embed", "form", "base", "svg"])
    assert len(soup.find_all("style")) == 1
    for element in soup.find_all(True):
        assert not [name for name in element.attrs if name.lower().startswith("on")]
        assert element.get("href", "#").startswith("#")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "{{7*7}}" in soup.get_text()


def test_hostile_names_are_inert_in_markdown(hostile):
    """Every mention, reference, link and tag stands in a code span, and no bar of a name adds a cell."""
    text = sheet_markdown(comparison_sheet(hostile))
    assert "\x1b" not in text
    soup = rendered(text)
    assert not soup.find_all(["script", "img", "a", "svg", "em", "strong", "s"])
    assert {tag.name for tag in soup.find_all(True)} <= {
        "h3", "h4", "ul", "li", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "details", "summary", "sub",
    }  # fmt: skip
    for table in soup.find_all("table"):
        n_columns = len(table.select("thead th"))
        assert {len(row.find_all("td")) for row in table.select("tbody tr")} == {n_columns}
    cells = [one.get_text() for one in soup.find_all("code")]
    assert any(PINGS.replace("\\|", "\\|") in one for one in cells)
    for span in soup.find_all("code"):
        span.decompose()
    assert not re.search(r"octocat|GH-2|example\.org|@|#1|onerror|:tada:|0123abc|\$", soup.get_text())


def sheet_of(text, *, name):
    """A sheet with one text in every place: as words of ours, or as a name."""
    one = Name(text) if name else text
    sentence = ("Said: ", one, ". And ", one, ", and so on.")
    columns = (Column(text, names=name), Column("plain"), Column("number", numeric=True))
    grids = [Grid("x", title, columns, (Row((text, text, text)),)) for title in ("", text)]
    sections = (Section("s", text, (*grids, Grid("y", "Folded", columns, (Row((text, "", "1")),), folded=True)),
                        (sentence, (one,), (one, one))),)  # fmt: skip
    return Sheet(text, (one, " fell"), "bad", (sentence, (one, one)), sections, text)


@pytest.mark.parametrize("name", [True, False])
def test_a_hostile_sheet_makes_no_tag_no_link_and_no_ping(name):
    """Every text in every place: only our own tags come out, and nothing outside code that GitHub would link."""
    page = Rendered(sheet_markdown(sheet_of(PINGS, name=name)))
    assert {tag for tag, _ in page.tags} <= {
        "h3", "h4", "ul", "li", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "details", "summary", "sub",
    }  # fmt: skip
    assert {name for _, attributes in page.tags for name, _ in attributes} <= {"style"}
    for ping in ("@", "#", "GH-", "://", "www.", ":tada:", "0123abcdef", "$", "**", "~~", "`"):
        assert ping not in page.prose
    assert [len(row) for table in page.tables for row in table] == [3] * 6


TEXTS = st.text(
    st.sampled_from("ab `|\\<&*_[]@#:.-1") | st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=30
)


@settings(deadline=None)
@given(TEXTS.filter(lambda text: text.strip() == text))
def test_any_name_reads_back_whole_from_a_table_and_a_sentence(text):
    r"""Backticks, bars, ``\|`` and tags of a name are the very text again, in cells and beside another name."""
    sheet = sheet_of("words", name=True)
    columns = (Column("Name", names=True), Column("number", numeric=True))
    section = Section("s", "S", (Grid("x", "", columns, (Row((text, "1")),)),), ((Name(text), Name(text)),))
    page = Rendered(sheet_markdown(replace(sheet, headline=(Name(text), " fell"), sentences=(), sections=(section,))))
    [[_, [cell, one]]] = page.tables
    assert (cell, one) == (text, "1")
    assert page.code == [text] * 4
    assert page.points == [f"{text} {text}"]


def test_the_page_is_one_file_with_unique_ids(found):
    """Nothing is fetched, no id is used twice, and every link in the page has its target."""
    text = sheet_page(comparison_sheet(found))
    soup = BeautifulSoup(text, "html.parser")
    ids = [element["id"] for element in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert {link["href"].removeprefix("#") for link in soup.find_all("a")} <= set(ids)
    assert "@import" not in text
    assert not re.search(r"url\(", text)
    assert len(text.encode()) < 100_000


def test_an_old_run_says_why_it_is_not_paired(tmp_path):
    """Without queries.parquet the quality section says that the runs cannot be paired, and why."""
    a = write_run(tmp_path / "a", {RECALL: [1.0] * 3}, None)
    b = write_run(tmp_path / "b", {RECALL: [1.0] * 3}, asked(3))
    told = [plain(one) for one in comparison_sheet(compare_runs(a, b)).sections[0].sentences]
    assert told[0] == (
        "The runs cannot be paired: A keeps no queries.parquet, which says whose score is whose "
        "(an older ragopt did not write it)."
    )


def test_equal_reasons_are_said_once(tmp_path):
    """What holds for two qualities is one sentence with both names."""
    quality = {name: Quality(0.5, 0.4, 0.6, 100) for name in (NDCG, "mrr@10")}
    runs = [write_run(tmp_path / name, {}, None, figures=quality) for name in "ab"]
    told = [plain(one) for one in comparison_sheet(compare_runs(*runs)).sections[0].sentences]
    assert sum("not compared" in one for one in told) == 1
    assert any(one.startswith("ndcg@10, mrr@10: not compared") for one in told)


def test_a_cut_name_says_so(found):
    """A name of 10,000 characters is cut in every form."""
    side = replace(found.a, folder="x" * 10_000)
    sheet = comparison_sheet(replace(found, a=side))
    for text in (sheet_page(sheet), sheet_markdown(sheet)):
        assert "x" * 500 not in text
        assert "(10,000 characters)" in text


def test_a_part_of_the_queries_has_two_rows(tmp_path):
    """Where queries are in one run only, the pairs and the means over all queries are two rows, each with its word."""
    a = write_run(tmp_path / "a", {RECALL: [1.0] * 100}, asked(100))
    b = write_run(tmp_path / "b", {RECALL: [1.0] * 100 + [0.5] * 100}, asked(200))
    sheet = comparison_sheet(compare_runs(a, b))
    [grid] = sheet.sections[0].grids
    assert [(row.cells[0], row.cells[1][:7], row.cells[2], row.cells[5]) for row in grid.rows] == [
        (RECALL, "0.0000 ", "no change seen", "100 paired"), (RECALL, "-0.2500", "fell", "100 and 200, unpaired"),
    ]  # fmt: skip
    assert plain(sheet.sections[0].sentences[-1]).endswith("a quality fell where either row did.")
    assert comparison_json(compare_runs(a, b))["quality"][0]["over_all"]["value"] == -0.25
