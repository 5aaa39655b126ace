"""Pairs of finished runs for the tests of `compare`: the report's example with scores, queries and bills of choice."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from ragopt.measure.intervals import quality
from ragopt.records import Bill, BillLine, Quality, Run
from ragopt.sweep.run_folder import read_run, write_decision
from ragopt.sweep.run_queries import RunQuery, key_of_text, queries_parquet
from tests.report_example import example_run

RECALL, NDCG = "recall_vs_exact@10", "ndcg@10"


def query(place: int, text: str | None, *, name: str = "", judgements: str | None = None) -> RunQuery:
    """A query that confirmed and selected at one place; its id is its text unless it has a name."""
    name = name or text or f"id {place}"
    return RunQuery(place, place, name, text, key_of_text(name if text is None else text), judgements)


def line(part: str, item: str, quantity: str, price: str, **more: Any) -> BillLine:
    """A bill line whose money is quantity times price."""
    usd = (Decimal(quantity) * Decimal(price)).quantize(Decimal("0.01"))
    values: dict[str, Any] = {"source": "https://example.org", "as_of": "2026-07-20", "part": part, **more}
    return BillLine(item, Decimal(quantity), "hour", Decimal(price), usd, **values)


def bill_of_lines(*lines: BillLine, target: str = "faiss-ram") -> Bill:
    """A bill that is exactly the sum of its lines."""
    usd = sum((one.usd for one in lines), Decimal("0.00"))
    return Bill(target, usd, usd, usd, lines)


def plain_bill(usd: str) -> Bill:
    """A bill of one line."""
    return bill_of_lines(line("compute", "VMs: 1 x a.small", "1", usd))


def write_run(
    folder: Path,
    scores: dict[str, list[float]],
    queries: list[RunQuery] | None,
    *,
    bill: Bill | None = None,
    figures: dict[str, Quality] | None = None,
    status: str = "ok",
    confirmed: bool = True,
    info: dict[str, Any] | None = None,
    **example: Any,
) -> Run:
    """Write a run whose recommended trial has these scores, and read it back.

    Args:
        folder: where.
        scores: by quality, in the order of the queries.
        queries: None for a folder of an older ragopt.
        bill: of the recommendation; the example's unless given.
        figures: qualities as they are; worked out from the scores unless given.
        status: of the recommendation.
        confirmed: whether its trial was built.
        info: keys of ``run.json`` that replace others; a table is merged, `...` removes a key.
        example: passed on to `example_run`.
    """
    run = example_run(**{"synthetic": False, "model": "wordllama", **example})
    per_query = {name: np.array(values, dtype=np.float32) for name, values in scores.items()}
    found = figures or {name: quality(values) for name, values in per_query.items()}
    decision = replace(run.recommendation, status=status, quality=found, confirmed=confirmed, loss_vs_exact={})
    if bill is not None:
        decision = replace(decision, bill=bill, target=bill.target, baseline_bill=plain_bill("100.00"))
    trials = tuple(
        replace(one, quality=found, per_query=per_query, confirmed=confirmed,
                bills={bill.target: bill} if bill else one.bills)
        if one.trial == decision.trial else one for one in run.trials
    )  # fmt: skip
    n = len(queries or ()) or 1000
    told = {**run.info, "queries": {**run.info["queries"], "n_select": n, "n_confirm": n, "n_queries": n}}
    for key, value in (info or {}).items():
        told[key] = {**told[key], **value} if isinstance(value, dict) and key in told else value
    told = {key: value for key, value in told.items() if value is not ...}
    run = replace(run, folder=str(folder), info=told, trials=trials, recommendation=decision)
    write_decision(folder, run, None if queries is None else queries_parquet(queries))
    return read_run(folder)


def asked(n: int, *, judgements: str | None = None, first: int = 0) -> list[RunQuery]:
    """So many queries, the texts numbered."""
    return [query(place, f"question {first + place}", judgements=judgements) for place in range(n)]
