"""The report of a real sweep in a real browser: nothing fetched, every trial drawn, every switch at work."""

import json
import random
from decimal import Decimal

import pytest

from ragopt.choose import Limits, decide
from ragopt.report.info import codec_of, default_quality, frontier_points
from ragopt.report.words import quality_text
from ragopt.sweep.recommending import _raced_for
from ragopt.sweep.run_folder import read_run
from tests.browser import accessibility_violations, browser, opened
from tests.cli import TINY, ragopt

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The run folder of a sweep of the tiny corpus over the default grid."""
    out = tmp_path_factory.mktemp("browser") / "run"
    done = ragopt("sweep", TINY, "--cost-model", "scan", "--vectors-at-scale", "50M", "--out", out,
                  "--cache-dir", out.parent / "cache")  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    return out


@pytest.fixture(scope="module")
def run(folder):
    """The same run, read back."""
    return read_run(folder)


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests here."""
    with browser() as one:
        yield one


@pytest.fixture
def report(chromium, folder):
    """The report in a fresh window."""
    with opened(chromium, folder / "report.html") as found:
        yield found


def shown_axis(page):
    """Name of the cost axis that is in view, after switching to `axis` where there is a switch."""
    return page.evaluate("document.querySelector('.axis-view:not([hidden])').dataset.axis")


def answer(page):
    """What the page recommends now: status and printed trial."""
    row = int(page.locator("#what-if-answer").get_attribute("data-row"))
    return page.locator("#what-if-answer").get_attribute("data-status"), page.evaluate(
        f"ragopt.fullName(ragopt.data.trials[{row}])"
    )


def set_limit(page, name, value):
    field = page.locator(f"#limit-{name}")
    if name in ("objective", "min_ndcg_ratio"):
        field.select_option(value)
    else:
        field.fill(value)
        field.dispatch_event("change")


def test_nothing_is_fetched_and_nothing_complains(report):
    """Opening the page asks for the file alone, and neither the console nor the security policy has a complaint."""
    report.page.wait_for_selector(".ring:not([hidden])")
    assert report.requests == [report.page.url]
    assert report.complaints == []


def test_every_measured_trial_has_its_marks(report, run):
    """In every chart of the frontier each measured trial has one mark and one interval, and no other is drawn."""
    wanted = sorted(point.trial for point in frontier_points(run, quality=default_quality(run)))
    charts = report.page.locator("#frontier .plot").all()
    assert len(charts) >= 2
    for chart in charts:
        for kind in ("line", "path"):
            found = chart.evaluate(f"chart => [...chart.querySelectorAll('{kind}[data-t]')].map(m => m.dataset.t)")
            assert sorted(str(run.trials[int(row)].trial) for row in found) == wanted


def test_pointing_at_a_mark_shows_the_whole_trial(report, run):
    """The details have the record's printed trial, every quality with its interval, bill, bytes and status."""
    page = report.page
    row = next(row for row, one in enumerate(run.trials) if one.trial == run.recommendation.trial)
    mark = page.locator(f".plot.wide path[data-t='{row}']").locator("visible=true")
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = page.locator("#trial-tip")
    assert tip.is_visible()
    result = run.trials[int(tip.get_attribute("data-row"))]
    said = " ".join(tip.inner_text().split())
    bill = min(result.bills.values(), key=lambda one: one.usd_per_month)
    for phrase in (str(result.trial), str(result.trial.space), codec_of(result.trial.factory), result.status,
                   f"USD {bill.usd_per_month:,.2f} per month on",
                   *(f"{name} {quality_text(one)}" for name, one in result.quality.items())):  # fmt: skip
        assert phrase in said
    page.mouse.move(5, 5)
    assert tip.is_hidden()


def test_details_can_be_walked_with_the_keyboard(report, run):
    """Focus on the chart and the arrow keys go through the trials from the recommended one by cost; Escape closes."""
    page = report.page
    page.locator(".plot.wide").locator("visible=true").focus()
    page.keyboard.press("ArrowRight")
    tip = page.locator("#trial-tip")
    assert run.trials[int(tip.get_attribute("data-row"))].trial == run.recommendation.trial
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert run.trials[int(tip.get_attribute("data-row"))].trial == run.recommendation.trial
    page.keyboard.press("Escape")
    assert tip.is_hidden()


def visible_rows(page):
    marks = "[...document.querySelectorAll('.axis-view:not([hidden]) .plot.wide path[data-t]')]"
    return set(page.evaluate(f"{marks}.filter(m => m.getClientRects().length).map(m => Number(m.dataset.t))"))


def test_a_click_filters(report, run):
    """A picked space and a picked codec leave their trials in the chart and in the table; picking again undoes it."""
    page = report.page
    everything = visible_rows(page)
    space, codec = "wordllama@64:pca", "PQ 4-bit"
    page.get_by_role("button", name=space).click()
    of_space = {row for row in everything if str(run.trials[row].trial.space) == space}
    assert visible_rows(page) == of_space != set()
    page.get_by_role("button", name=codec).click()
    of_both = {row for row in of_space if codec_of(run.trials[row].trial.factory) == codec}
    assert visible_rows(page) == of_both != set()
    assert f"{len(of_both)} of {len(everything)} trials are shown." in page.locator("#filter-count").inner_text()
    page.locator("#trials summary").click()
    lines = page.locator("#trials-table tbody tr[data-t]").locator("visible=true")
    listed = {row for row, one in enumerate(run.trials) if str(one.trial.space) == space
              and codec_of(one.trial.factory) == codec}  # fmt: skip
    assert {int(line.get_attribute("data-t")) for line in lines.all()} == listed
    page.locator("#filter-all").click()
    assert visible_rows(page) == everything


TARGETS = (
    {"min_recall": "0.8"},
    {"min_recall": "0.99"},
    {"min_recall": "0.9", "objective": "ram"},
    {"min_recall": "0.9", "max_usd": "60.00"},
    {"min_recall": "0.9", "max_p99_ms": "0.001"},
    {"min_recall": "0.85", "min_ndcg_ratio": "0.9"},
)


MISSES = (
    ("recall_vs_exact@10 is at least", "recall_vs_exact@10 is at least"),
    ("it costs more than USD", "it costs"),
    ("its p99 latency", "p99 latency"),
)
"""How the page and the command say that a limit is missed."""


def saving_words(wanted):
    """What the page says of the bill beside the baseline's, from the command's JSON."""
    usd, base = (Decimal(wanted[name]["usd_per_month"]) for name in ("bill", "baseline"))
    if usd == base:
        return f"The same as float32 of the same model, USD {base:,.2f}."
    verdict = "less" if base > usd else "more"
    return f"USD {abs(base - usd):,.2f} {verdict} than float32 of the same model, USD {base:,.2f}."


@pytest.mark.parametrize("limits", TARGETS, ids=" ".join)
def test_other_limits_decide_as_the_command_does(report, folder, limits):
    """Typed limits give the status, trial, target and bill that `ragopt recommend` gives with the same options."""
    for name, value in limits.items():
        set_limit(report.page, name, value)
    options = [word for name, value in limits.items() for word in (f"--{name.replace('_', '-')}", value)]
    done = ragopt("recommend", folder, *options, "--json")
    assert done.returncode in (0, 3), done.stderr
    wanted = json.loads(done.stdout)
    assert answer(report.page) == (wanted["status"], wanted["trial"])
    said = report.page.locator("#what-if-answer").inner_text()
    assert f"USD {Decimal(wanted['bill']['usd_per_month']):,.2f} per month on {wanted['target']}" in said
    assert "ragopt recommend RUN --min-recall" in said
    assert saving_words(wanted) in said
    assert ("No index of it was built" in said) == (not wanted["confirmed"])
    missed = said.partition("It misses: ")[2]
    assert bool(missed) == (wanted["status"] == "nothing_fits")
    for ours, commands in MISSES if missed else ():
        assert (ours in missed) == (commands in wanted["why"][0])


def test_dragging_the_line_moves_the_limit(report, folder):
    """The dashed line follows the pointer and the arrow keys, and the answer is the command's for that limit."""
    page = report.page
    line = page.locator(".line-recall").locator("visible=true")
    line.scroll_into_view_if_needed()
    box = line.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 + 60, steps=4)
    page.mouse.up()
    limit = page.locator("#limit-min_recall").input_value()
    assert float(limit) < 0.95
    page.keyboard.press("ArrowUp")
    higher = page.locator("#limit-min_recall").input_value()
    assert float(higher) == pytest.approx(float(limit) + 0.001)
    wanted = json.loads(ragopt("recommend", folder, "--min-recall", higher, "--json").stdout)
    assert answer(page) == (wanted["status"], wanted["trial"])
    page.locator("#limits-reset").click()
    assert page.locator("#limit-min_recall").input_value() == "0.95"


def test_a_limit_out_of_range_is_refused(report):
    """A limit that the command refuses is said to be out of range, and the answer stays."""
    before = answer(report.page)
    for value in ("1.5", "0", "-1", "nan", "1e-3x"):
        set_limit(report.page, "min_recall", value)
        assert "give a number above 0, at most 1" in report.page.locator("#limits-error").inner_text()
        assert answer(report.page) == before
    set_limit(report.page, "min_recall", "0.95")
    assert report.page.locator("#limits-error").is_hidden()


def test_the_script_decides_as_the_library_does(report, run):
    """For 300 random sets of limits the script and `ragopt.choose.decide` take the same trial."""
    dice = random.Random(5)
    bills = [min(bill.usd_per_month for bill in one.bills.values()) for one in run.trials if one.bills]
    ratios = report.page.evaluate("ragopt.data.ratios")
    assert len(ratios) >= 5
    for _ in range(300):
        limits = {
            "min_recall": round(dice.uniform(0.3, 1), 3),
            "min_ndcg_ratio": dice.choice([None, None, *ratios]),
            "max_p99_ms": dice.choice([None, None, round(dice.uniform(0.001, 0.2), 4)]),
            "max_usd": dice.choice([None, None, str(dice.choice(bills)), "0.29", "33.333"]),
            "objective": dice.choice(["usd", "ram"]),
        }
        found = report.page.evaluate("limits => { const one = ragopt.decide(limits); return [one.status, one.row]; }",
                                     limits)  # fmt: skip
        usd = None if limits["max_usd"] is None else Decimal(limits["max_usd"])
        wanted = Limits(limits["min_recall"], limits["min_ndcg_ratio"], limits["max_p99_ms"], usd)
        raced = _raced_for(run.info, wanted, limits["objective"])
        decision = decide(run.trials, wanted, objective=limits["objective"], k=10, raced=raced)
        name = decision.fitting[0] if decision.fitting else decision.closest
        assert (found[0], str(run.trials[found[1]].trial)) == ("ok" if decision.fitting else "nothing_fits", name), (
            limits
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "viewport", [{"width": 1280, "height": 900}, PHONE, {"width": 320, "height": 700}], ids=["wide", "phone", "zoomed"]
)
def test_page_is_accessible_and_fits_the_screen(chromium, folder, scheme, viewport):
    """On a desktop and a phone, light and dark, nothing overflows and axe-core finds nothing, all details open too."""
    with opened(chromium, folder / "report.html", viewport=viewport, color_scheme=scheme) as found:
        page = found.page
        assert accessibility_violations(page) == []
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        page.locator(".plot").locator("visible=true").first.focus()
        page.keyboard.press("ArrowRight")
        assert accessibility_violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert found.complaints == []


def test_print_shows_tables_and_hides_switches(chromium, folder):
    """On paper every table is open, the controls are gone and the run's own limit is drawn."""
    with opened(chromium, folder / "report.html") as found:
        page = found.page
        page.emulate_media(media="print")
        assert page.locator("#what-if").is_hidden()
        assert page.locator("#models-table").is_visible()
        assert page.locator("#bill_lines-numbers").is_visible()
        assert page.locator(".on-paper").is_visible()
        assert page.locator("#trials-table").is_hidden()
        page.evaluate("document.querySelector('#trials details').open = true")
        assert page.locator("#trials-table").is_visible()
        limit = page.locator("#frontier .plot.wide .limit_marks line").first
        assert limit.evaluate("line => getComputedStyle(line.parentElement).display") != "none"


TEXT_BOXES = """
() => [...document.querySelectorAll('svg text')].filter(t => t.getAttribute('stroke') === null && t.textContent.trim())
  .map(t => { const b = t.getBoundingClientRect(); return [t.textContent, b.left, b.top, b.right, b.bottom]; })
"""


def test_no_two_texts_of_the_picture_overlap(chromium, folder, tmp_path):
    """In the picture of the default grid no label, tick, title or legend entry lies on another, and none is cut off."""
    done = ragopt("report", folder, "--svg", tmp_path / "frontier.svg")
    assert done.returncode == 0, done.stderr
    with opened(chromium, tmp_path / "frontier.svg", viewport={"width": 1200, "height": 675}) as found:
        boxes = found.page.evaluate(TEXT_BOXES)
    assert len(boxes) > 25
    for text, left, top, right, bottom in boxes:
        assert left >= 0 and top >= 0 and right <= 1200 and bottom <= 675, text  # noqa: PT018 - one box
    for row, (one, *a) in enumerate(boxes):
        for other, *b in boxes[row + 1 :]:
            # A line's box reaches a little above and below its letters.
            across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            assert across <= 1 or down <= 3, (one, other)


def test_every_table_fits_the_paper(chromium, folder):
    """In print on A4 (717 px between Chromium's margins) no table, line or picture is wider than the paper."""
    wider = """width => [...document.querySelectorAll("table, td, th, pre, p, li, dd, svg")].filter(one => {
        const box = one.getBoundingClientRect();
        return box.right > width + 1 || (one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0);
    }).map(one => one.id || one.outerHTML.slice(0, 80))"""
    with opened(chromium, folder / "report.html", viewport={"width": 717, "height": 1000}) as found:
        found.page.emulate_media(media="print")
        found.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert found.page.evaluate(wider, 717) == []
        assert found.page.locator("#trials-table tr").last.is_visible()
        assert found.page.locator("#finalists-table").is_visible()
