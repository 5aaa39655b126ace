"""Small runs for the tests of the report's figures, and what their pictures hold."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.records import IndexBytes, LatencyMs, Quality, Run, Trial, TrialResult
from ragopt.report.pictures import svg_text
from tests.chart_rows import rows_of
from tests.report_example import example_run

if TYPE_CHECKING:
    from ragopt.report.figure import Figure

RECALL = "recall_vs_exact@10"
SVG = "{http://www.w3.org/2000/svg}"


def tried(name: str, recall: float, *, ram: float = 64.0, n_queries: int = 100, **changes: Any) -> TrialResult:
    """A measured trial by its printed form, its interval .02 wide."""
    quality = {
        RECALL: Quality(recall, recall - 0.01, min(1.0, recall + 0.01), n_queries, changes.pop("estimated", None))
    }
    if "ndcg" in changes:
        quality["ndcg@10"] = Quality(value := changes.pop("ndcg"), value - 0.05, value + 0.05, n_queries)
    found = TrialResult(Trial.parse(name), "estimated", quality=quality, index_bytes=IndexBytes(ram, 0, 0.0, 0))
    return replace(found, **changes)


def scores(*values: float) -> dict[str, Any]:
    """Scores of selection queries, one a query."""
    return {"ndcg@10": np.array(values, dtype=np.float32)}


def p50(milliseconds: float) -> LatencyMs:
    """A latency whose median is known."""
    return LatencyMs(milliseconds, milliseconds * 2, milliseconds * 3, 100)


def run_of(*results: TrialResult, chosen: str = "", **arguments: Any) -> Run:
    """A run of these trials, with the first as its recommendation where none is named."""
    run = example_run(synthetic=False)
    found = dict(run.info)
    found["arguments"] = found["arguments"] | arguments
    listed = {model["name"] for model in found["models"]}
    others = dict.fromkeys(str(one.trial.space.model) for one in results if one.trial.space.model not in listed)
    found["models"] = [*found["models"], *({**found["models"][0], "name": name} for name in others)]
    trial = Trial.parse(chosen) if chosen else results[0].trial
    return replace(run, info=found, trials=results, recommendation=replace(run.recommendation, trial=trial))


def drawn_rows(figure: Figure, *, narrow: bool = False) -> list[list[dict[str, Any]]]:
    """The rows of each panel."""
    spec = figure.draw(narrow=narrow, titled=False).to_dict()
    return [rows_of(spec, part) for part in spec["vconcat"]]


def picture(figure: Figure, *, narrow: bool = False, titled: bool = False) -> ET.Element:
    """The figure as SVG, parsed."""
    return ET.fromstring(svg_text(figure.draw(narrow=narrow, titled=titled)))  # noqa: S314 - our own rendering


def n_symbols(root: ET.Element) -> int:
    """Marks of the plots, legends not counted."""
    groups = [group for group in root.iter(f"{SVG}g") if "mark-symbol role-mark" in group.get("class", "")]
    return sum(len(group.findall(f"{SVG}path")) for group in groups)


def colours(root: ET.Element) -> set[str]:
    """Every colour that something is painted with."""
    found = {element.get(name, "none") for element in root.iter() for name in ("fill", "stroke")}
    return found - {"none", "transparent"}
