"""Names and texts that try to become markup or script stay text in a real browser, in the page and in its pictures."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ragopt.records import Space, Trial
from ragopt.report.charts import frontier_chart
from ragopt.report.page import write_page
from ragopt.report.pictures import write_svg
from ragopt.sweep.run_folder import read_run, write_decision
from ragopt.sweep.run_queries import SHOWN_CHARACTERS, RunQuery, queries_parquet
from tests.browser import browser, opened
from tests.hostile_cache import with_hostile_cache
from tests.report_example import example_run

FIRED = "window.fired = (window.fired || 0) + 1"
HOSTILE = {
    "script": f"<script>{FIRED}</script>",
    "script in capitals": f"<ScRiPt>{FIRED}</sCrIpT >",
    "handler": f"<img src=x onerror='{FIRED}'>",
    "handler without brackets": f'" onmouseover="{FIRED}" onfocus="{FIRED}" autofocus="',
    "handler in single quotes": f"' onmouseover='{FIRED}' tabindex='1",
    "svg": f"<svg onload='{FIRED}'><animate onbegin='{FIRED}' attributeName=x dur=1s></svg>",
    "javascript link": f"javascript:{FIRED}",
    "javascript link with a tab": f"java\tscript:{FIRED}",
    "javascript link in markup": f'<a href="javascript:{FIRED}" id="bait">bait</a>',
    "data link": f"data:text/html,<script>{FIRED}</script>",
    "end of script": f"</script><script>{FIRED}</script>",
    "end of json": f'"}}]}};{FIRED};//',
    "comment in script": f"<!--<script>{FIRED}//-->",
    "end of style": f"</style><script>{FIRED}</script>",
    "style": "}*{background:url(https://example.org/leak)}",
    "end of title": f"</title><script>{FIRED}</script>",
    "end of textarea": f"</textarea></select></option><script>{FIRED}</script>",
    "end of svg": f"</text></g></svg><script>{FIRED}</script>",
    "cdata": f"]]><script>{FIRED}</script>",
    "frame": f"<iframe srcdoc='<script>parent.{FIRED}</script>'></iframe>",
    "base": "<base href='https://example.org/'><meta http-equiv=refresh content='0;url=https://example.org/'>",
    "template": "{{ 7 * 7 }}{% raw %}${7*7}#{7*7}<%= 7*7 %>{{constructor.constructor('" + FIRED + "')()}}",
    "vega expression": f"datum.value ? {FIRED} : 0",
    "entities": f"&lt;script&gt;{FIRED}&lt;/script&gt;&#60;script&#62;{FIRED}&#x3c;/script&#x3e;",
    "line separators": f"a\u2028{FIRED}\u2029b\x00\x0b\x1b[31m",
    "direction": "\u202egpj.exe\u202c \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "emoji": "\U0001f9d1\u200d\U0001f680 \U0001f1e9\U0001f1ea \u2764\ufe0f",
    "long": "x" * 10_000,
    "long word of markup": "<b>" * 3_400,
    "combining": "e" + "\u0301" * 500,
}


COUNTS = """
() => {
  const found = {};
  for (const one of document.querySelectorAll("*")) found[one.localName] = (found[one.localName] || 0) + 1;
  return found;
}
"""
LINKS = """
() => [...document.querySelectorAll("[href], [src], [action], [srcdoc]")].map(one => one.getAttribute("href"))
"""


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests here."""
    with browser() as one:
        yield one


def hostile_run(texts, folder):
    """The example run with hostile texts as models, reasons, lines, sources, notes, warnings, cache advice.

    Every text of the group is the model, the reason and the bill of some trials, the id and the text of a query; the
    first is the corpus, the recommended model, the baseline's label and the machine. The run lies in `folder`.
    """
    first, run = texts[0], example_run(model=texts[0], corpus=texts[0])

    def of(one, text):
        bills = {
            name: replace(bill, notes=(text,), lines=tuple(
                replace(line, item=text, unit=text, source=text, formula=text, caution=text) for line in bill.lines))
            for name, bill in one.bills.items()
        }  # fmt: skip
        keep = one.trial in (run.recommendation.trial, Trial(Space(first, 256, "none"), "Flat"))
        space = one.trial.space if keep else replace(one.trial.space, model=text)
        scores = {"recall_vs_exact@10": np.linspace(0, 0.9, len(texts) + 1, dtype=np.float32)} if keep else {}
        return replace(one, trial=replace(one.trial, space=space), reason=text, bills=bills, per_query=scores)

    trials = tuple(of(one, text) for one, text in zip(run.trials, itertools.cycle(texts), strict=False))
    chosen = next(one for one in trials if one.trial == run.recommendation.trial)
    flat = next(one for one in trials if one.trial == Trial(Space(first, 256, "none"), "Flat"))
    recommendation = replace(
        run.recommendation,
        bill=chosen.bills[run.recommendation.target],
        baseline_bill=flat.bills[run.recommendation.baseline_bill.target],
        baseline_label=first,
        why=texts,
        runners_up=texts,
    )
    info = {
        **run.info,
        "warnings": list(texts),
        "models": [{**run.info["models"][0], "name": text} for text in texts],
        "machine": run.info["machine"] | {"cpu": first, "system": first},
        "versions": {text: text for text in texts},
        "queries": run.info["queries"]
        | {"source": first, "synthetic": False, "n_select": len(texts) + 1, "n_confirm": len(texts) + 1},
    }
    queries = [
        RunQuery(place, place, f"{place} {text}", text[:SHOWN_CHARACTERS], "0" * 16, None)
        for place, text in enumerate([*texts, "plain"])
    ]
    run = replace(run, folder=str(folder), info=info, trials=trials, recommendation=recommendation)
    run = with_hostile_cache(run, *texts)
    write_decision(folder, run, queries_parquet(queries))
    return read_run(folder)


NAMES = list(HOSTILE)
GROUPS = [tuple(NAMES[start : start + 3]) for start in range(0, len(NAMES), 3)]


@pytest.fixture(scope="module")
def wanted(chromium, tmp_path_factory):
    """How many elements of each kind the page of harmless texts has."""
    folder = tmp_path_factory.mktemp("plain")
    file = folder / "report.html"
    write_page(hostile_run(("plain", "simple", "easy"), folder), file)
    with opened(chromium, file) as found:
        return found.page.evaluate(COUNTS)


@pytest.mark.parametrize("names", GROUPS, ids=", ".join)
def test_hostile_text_is_inert(chromium, wanted, tmp_path, names):
    """No script runs, nothing is asked for, no element and no link comes from it, the page still works and fits."""
    file = tmp_path / "report.html"
    write_page(hostile_run(tuple(HOSTILE[name] for name in names), tmp_path), file)
    with opened(chromium, file, viewport={"width": 390, "height": 844}) as found:
        page = found.page
        for chip in page.locator(".chip").all()[:2]:
            chip.click()
        page.locator("#filter-all").click()
        page.locator(".plot.narrow").locator("visible=true").first.focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("#trial-tip").is_visible()
        assert page.locator("#worst-queries tbody tr").count() == len(names) + 1
        assert page.evaluate("window.fired") is None
        assert found.requests == [page.url]
        assert found.complaints == []
        assert page.url == file.as_uri()
        # A source that is an address of the web is a link; none of these texts is one.
        assert all(link.startswith("#") for link in page.evaluate(LINKS))
        # How labels break into lines, and what the script wrote, is drawing, not markup.
        drawing = {"tspan", "path", "line", "g", "text", "dt", "dd", "dl", "strong"}
        found_counts = page.evaluate(COUNTS)
        assert {tag: n for tag, n in found_counts.items() if tag not in drawing} == {
            tag: n for tag, n in wanted.items() if tag not in drawing
        }
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate("ragopt.data.trials.length") == len(example_run().trials)


@pytest.mark.parametrize("name", ["script", "handler", "svg", "end of svg", "javascript link in markup", "entities"])
def test_hostile_text_is_inert_in_a_picture(chromium, tmp_path, name):
    """An SVG file opened by itself runs nothing and fetches nothing either."""
    file = tmp_path / "frontier.svg"
    write_svg(frontier_chart(hostile_run((HOSTILE[name],), tmp_path)), file)
    with opened(chromium, file) as found:
        assert found.page.evaluate("window.fired") is None
        assert found.requests == [found.page.url]
        assert found.complaints == []
