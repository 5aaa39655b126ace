"""Draw what `sweep_speed.py` measured over the sizes.

    python eval/sweep_speed_plot.py [--out FILE.png] [--results FOLDER]

Left: seconds of ragopt's estimating phases, of its whole sweep and of the loops against the number of vectors, with
the ratio of each loop to the whole sweep. Right: peak anonymous memory of ragopt and of the vectors themselves.
Reads the newest result of each name; filled marks and lines are clustered vectors, hollow marks are others.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from pathlib import Path
from typing import Any

import altair as alt

from ragopt.report import palette
from ragopt.report.pictures import write_png

RESULTS = Path(__file__).parent / "results"
PATTERN = "*-sweep-speed-*.json"
WIDTH, HEIGHT = 420, 340
NOT_ESTIMATING = ("start", "embed", "exact", "confirm", "report")
"""Phases of run.json that grow with the corpus or with the finalists; the others estimate the trials."""

ESTIMATE, WHOLE = "ragopt, estimating every trial", "ragopt, whole sweep"
LOOPS = {"plain": "loop, FAISS as it comes", "blas": "loop, BLAS training", "blas1": "loop, BLAS training, 1 thread"}
MEMORY, VECTORS = "ragopt, peak anonymous", "the vectors as float32"
COLOURS = {
    ESTIMATE: "#5ea4f0", WHOLE: "#083e96", LOOPS["plain"]: "#8c3800", LOOPS["blas"]: "#f09632",
    LOOPS["blas1"]: "#ffd08c", MEMORY: "#083e96", VECTORS: palette.MUTED,
}  # fmt: skip


def newest(folder: Path) -> list[dict[str, Any]]:
    """The newest result of each name, by size; the date leads the file name."""
    by_name = {}
    for path in sorted(folder.glob(PATTERN)):
        result = json.loads(path.read_text(encoding="utf-8"))
        by_name[result["name"]] = result
    return sorted(by_name.values(), key=lambda result: result["data"]["n"])


def time_rows(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per mark of the left picture."""
    rows = []
    for result in results:
        ragopt = result["ragopt"]
        phases = ragopt["seconds_by_phase"]
        estimating = sum(seconds for phase, seconds in phases.items() if phase not in NOT_ESTIMATING)
        about = {"n": result["data"]["n"], "clustered": result["name"].startswith("clustered")}
        rows += [
            {**about, "series": ESTIMATE, "value": estimating, "ratio": ""},
            {**about, "series": WHOLE, "value": ragopt["seconds"], "ratio": ""},
        ]
        for way, loop in result["loops"].items():
            ratio = f"{result['ratios'][way]:.0f}\u00d7" + ("" if loop["seconds_are"] == "measured" else "*")
            rows.append({**about, "series": LOOPS[way], "value": loop["seconds"], "ratio": ratio})
    return rows


def memory_rows(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per mark of the right picture, in MB."""
    rows = []
    for result in results:
        data = result["data"]
        about = {"n": data["n"], "clustered": result["name"].startswith("clustered")}
        rows += [
            {**about, "series": MEMORY, "value": result["ragopt"]["peak_anonymous_bytes"] / 1e6},
            {**about, "series": VECTORS, "value": data["n"] * data["dim"] * 4 / 1e6},
        ]
    return rows


def panel(rows: list[dict[str, Any]], title: str, unit: str) -> alt.LayerChart:
    """Marks and lines of one picture, both axes logarithmic."""
    names = [name for name in COLOURS if any(row["series"] == name for row in rows)]
    x = alt.X(
        "n:Q",
        title="vectors",
        scale=alt.Scale(type="log", padding=24, nice=False),
        axis=alt.Axis(format="~s", tickCount=4),
    )
    y = alt.Y("value:Q", title=unit, scale=alt.Scale(type="log", nice=True), axis=alt.Axis(format="~s", tickCount=5))
    scale = alt.Scale(domain=names, range=[COLOURS[name] for name in names])
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=220, symbolType="circle")
    colour = alt.Color("series:N", scale=scale, legend=legend)
    base = alt.Chart(alt.Data(values=rows)).encode(x=x, y=y, color=colour)
    lines = base.mark_line(strokeWidth=2).transform_filter("datum.clustered")
    filled = base.mark_point(size=70, filled=True, opacity=1).transform_filter("datum.clustered")
    hollow = base.mark_point(size=70, filled=False, strokeWidth=2, opacity=1).transform_filter("!datum.clustered")
    layers = [lines, filled, hollow]
    if any(row.get("ratio") for row in rows):
        # The slowest loop's ratio stands above its mark, the others beneath theirs, so that no line crosses one.
        for dy, where in ((-12, "=="), (15, "!=")):
            text = base.mark_text(dy=dy, fontSize=11, fontWeight="bold").encode(text="ratio:N")
            layers.append(text.transform_filter(f"datum.series {where} '{LOOPS['plain']}'"))
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=title)


def chart(results: list[dict[str, Any]]) -> Any:
    """Both pictures side by side, each with its own colours."""
    fewest = min(result["counts"]["n_trials"] for result in results)
    most = max(result["counts"]["n_trials"] for result in results)
    trials = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    machine = results[-1]["machine"]
    left = panel(time_rows(results), "Time from stored vectors to recall of every trial", "seconds")
    right = panel(memory_rows(results), "Memory of the sweep", "MB")
    subtitle = [
        (
            f"{trials} trials, {machine['n_cores']} cores, {machine['cpu']}, {results[-1]['date']}. "
            "Filled: clustered synthetic vectors; hollow: sentence vectors."
        ),
        (
            "Ratios are of a loop to ragopt's whole sweep, which also confirms finalists and draws the report; "
            "* the loop was scaled from a stated draw of its factories."
        ),
    ]
    return (
        alt.hconcat(left, right, spacing=40)
        .resolve_scale(color="independent")
        .properties(title=alt.TitleParams("A sweep against a plain loop over the same trials", subtitle=subtitle,
                                          anchor="start", fontSize=17, color=palette.INK, offset=14,
                                          subtitleColor=palette.MUTED))
        .configure(background=palette.PAPER, padding=12)
        .configure_axis(gridColor=palette.GRID, labelColor=palette.INK, titleColor=palette.INK)
    )  # fmt: skip


def main() -> None:
    """Draw the newest results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    today = dt.datetime.now(tz=dt.UTC).date()
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=RESULTS / f"{today}-sweep-speed.png")
    given = parser.parse_args()
    results = newest(given.results)
    if not results:
        parser.error(f"{given.results} holds no {PATTERN}: run eval/sweep_speed.py first")
    write_png(chart(results), given.out)
    print(given.out)


if __name__ == "__main__":
    main()
