"""The run folder: ``run.json``, its trials, recommendation and queries, written whole and read back."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ragopt.artifacts import storage_errors, write_atomically
from ragopt.bill.bill_json import bill_json, bill_of
from ragopt.choose import cheapest_bill
from ragopt.errors import ArtifactError, InputError
from ragopt.records import (
    IndexBytes,
    LatencyMs,
    Quality,
    RecallForecast,
    Recommendation,
    Run,
    Space,
    Trial,
    TrialResult,
)
from ragopt.sweep.run_seal import check_seal, checked_bytes, kept_bytes, sealed_info, unsealed
from ragopt.sweep.run_shape import check_schema, check_shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

RUN_FILE, TRIALS_FILE, RECOMMENDATION_FILE = "run.json", "trials.parquet", "recommendation.json"
QUERIES_FILE = "queries.parquet"
REPORT_FILE, PICTURE_FILE = "report.html", "frontier.png"
SCHEMA = 1
PER_QUERY = "_scores"
FIGURES = ("estimate_gap", "qps", "qps_all_cores", "cpu_ms_per_query", "cpu_ms_low", "cpu_ms_high", "train_seconds",
           "build_seconds")  # fmt: skip
DAMAGE = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
"""What reading a changed or shortened file raises: Decimal, missing keys, other kinds of value, pyarrow, JSON."""


def pretty_json(value: object) -> str:
    """Write JSON for people: two spaces, a final newline, no NaN."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def recommendation_json(one: Recommendation) -> dict[str, Any]:
    """Give the content of ``recommendation.json``; money as decimal strings."""
    space, sizes = one.trial.space, one.index_bytes
    quality: dict[str, Any] = {name: asdict(figure) for name, figure in one.quality.items()}
    for name, loss in one.loss_vs_exact.items():
        quality[name]["loss_vs_exact"] = {"value": loss.value, "low": loss.low, "high": loss.high}
    return {
        "schema": SCHEMA,
        "status": one.status,
        "trial": str(one.trial),
        "confirmed": one.confirmed,
        "synthetic_queries": one.synthetic_queries,
        "embedding": {"model": space.model, "dim": space.dim, "reduction": space.reduction},
        "index": {
            "factory": one.trial.factory,
            "search": one.trial.search,
            "ram_bytes_per_vector": sizes.ram_bytes_per_vector,
            "ram_fixed_bytes": sizes.ram_fixed_bytes,
            "disk_bytes_per_vector": sizes.disk_bytes_per_vector,
            "file_bytes": sizes.file_bytes,
        },
        "target": one.target,
        "cache": one.cache,
        "quality": quality,
        "latency_ms": _latency_json(one.latency, one.cold),
        "forecast": asdict(one.forecast) if one.forecast else None,
        "bill": bill_json(one.bill),
        "baseline": {
            "label": one.baseline_label,
            "target": one.baseline_bill.target,
            "usd_per_month": str(one.baseline_bill.usd_per_month),
            "ram_bytes_per_vector": one.baseline_ram_bytes_per_vector,
            "bill": bill_json(one.baseline_bill),
        },
        "saving_usd_per_month": str(one.baseline_bill.usd_per_month - one.bill.usd_per_month),
        "why": list(one.why),
        "runners_up": list(one.runners_up),
    }


def _latency_json(latency: LatencyMs | None, cold: LatencyMs | None) -> dict[str, Any] | None:
    return {**asdict(latency), "cold": asdict(cold) if cold else None} if latency else None


def _recommendation_of(value: Mapping[str, Any]) -> Recommendation:
    quality, losses = {}, {}
    for name, figure in value["quality"].items():
        loss = figure.pop("loss_vs_exact", None)
        quality[name] = Quality(**figure)
        if loss:
            losses[name] = Quality(loss["value"], loss["low"], loss["high"], figure["n_queries"])
    sizes = {name: figure for name, figure in value["index"].items() if name not in ("factory", "search")}
    embedding, index = value["embedding"], value["index"]
    baseline = value["baseline"]
    latency = value["latency_ms"] or {"cold": None}
    cold = latency.pop("cold")
    return Recommendation(
        status=value["status"],
        trial=Trial(Space(**embedding), index["factory"], index["search"]),
        confirmed=value["confirmed"],
        target=value["target"],
        quality=quality,
        index_bytes=IndexBytes(**sizes),
        latency=LatencyMs(**latency) if latency else None,
        cold=LatencyMs(**cold) if cold else None,
        forecast=RecallForecast(**value["forecast"]) if value["forecast"] else None,
        bill=bill_of(value["target"], value["bill"]),
        baseline_label=baseline["label"],
        baseline_bill=bill_of(baseline["target"], baseline["bill"]),
        baseline_ram_bytes_per_vector=baseline["ram_bytes_per_vector"],
        loss_vs_exact=losses,
        why=tuple(value["why"]),
        runners_up=tuple(value["runners_up"]),
        synthetic_queries=value["synthetic_queries"],
        cache=value["cache"],
    )


def trial_row(result: TrialResult) -> dict[str, Any]:
    """Give one row of ``trials.parquet``; a figure that was not measured is absent."""
    space, sizes, latency = result.trial.space, result.index_bytes, result.latency
    row: dict[str, Any] = {
        "trial": str(result.trial),
        "model": space.model,
        "dim": space.dim,
        "reduction": space.reduction,
        "factory": result.trial.factory,
        "search": result.trial.search,
        "status": result.status,
        "reason": result.reason,
        "confirmed": result.confirmed,
        "upper_bound": result.upper_bound,
        "cold_reason": result.cold_reason,
    }
    for name, figure in result.quality.items():
        row |= {
            name: figure.value,
            f"{name}_low": figure.low,
            f"{name}_high": figure.high,
            f"{name}_estimated": figure.estimated,
            f"{name}_n_queries": figure.n_queries,
        }
    row["n_queries"] = max((figure.n_queries for figure in result.quality.values()), default=None)
    if sizes:
        row |= asdict(sizes)
    if latency:
        row |= {f"latency_{name}_ms": getattr(latency, name) for name in ("p50", "p95", "p99")}
        row["latency_n_queries"] = latency.n_queries
    if result.cold:
        row |= {f"cold_{name}_ms": getattr(result.cold, name) for name in ("p50", "p95", "p99")}
        row["cold_n_queries"] = result.cold.n_queries
    row |= {name: getattr(result, name) for name in FIGURES}
    row["forecast"] = json.dumps(asdict(result.forecast)) if result.forecast else None
    best = cheapest_bill(result)
    row["usd_per_month"] = str(best.usd_per_month) if best else None
    for target, bill in result.bills.items():
        row[f"usd_per_month_{target}"] = str(bill.usd_per_month)
    row["bills"] = json.dumps({target: bill_json(bill) for target, bill in result.bills.items()})
    for name, scores in result.per_query.items():
        row[name + PER_QUERY] = scores.tolist()
    return row


def _latency_of(row: Mapping[str, Any], kind: str) -> LatencyMs | None:
    if row.get(f"{kind}_p99_ms") is None:
        return None
    p50, p95, p99 = (row[f"{kind}_{name}_ms"] for name in ("p50", "p95", "p99"))
    return LatencyMs(p50, p95, p99, row[f"{kind}_n_queries"])


def _result_of(row: Mapping[str, Any]) -> TrialResult:
    import numpy as np  # noqa: PLC0415 - loaded when first used

    names = [name.removesuffix("_low") for name in row if name.endswith("_low") and name != "cpu_ms_low"]
    quality = {
        name: Quality(
            row[name], row[f"{name}_low"], row[f"{name}_high"], row[f"{name}_n_queries"], row[f"{name}_estimated"]
        )
        for name in names
        if row[name] is not None
    }
    sized = row.get("file_bytes") is not None
    per_query = {
        name.removesuffix(PER_QUERY): np.asarray(scores, dtype=np.float32)
        for name, scores in row.items()
        if name.endswith(PER_QUERY) and scores is not None
    }
    return TrialResult(
        trial=Trial(Space(row["model"], row["dim"], row["reduction"]), row["factory"], row["search"]),
        status=row["status"],
        reason=row["reason"],
        confirmed=row["confirmed"],
        quality=quality,
        index_bytes=IndexBytes(**{name: row[name] for name in IndexBytes.__slots__}) if sized else None,
        latency=_latency_of(row, "latency"),
        cold=_latency_of(row, "cold"),
        cold_reason=row["cold_reason"],
        forecast=RecallForecast(**json.loads(row["forecast"])) if row["forecast"] else None,
        upper_bound=row["upper_bound"],
        **{name: row[name] for name in FIGURES},
        bills={target: bill_of(target, bill) for target, bill in json.loads(row["bills"]).items()},
        per_query=per_query,
    )


def trials_parquet(results: Sequence[TrialResult]) -> bytes:
    """Give the bytes of ``trials.parquet``, one row per trial in grid order."""
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used
    import pyarrow.parquet as pq  # noqa: PLC0415 - loaded when first used

    rows = [trial_row(result) for result in results]
    # from_pylist takes its columns from the first row only.
    columns = list(dict.fromkeys(name for row in rows for name in row))
    arrays = {}
    for name in columns:
        kind = pa.list_(pa.float32()) if name.endswith(PER_QUERY) else None
        arrays[name] = pa.array([row.get(name) for row in rows], type=kind)
    buffer = io.BytesIO()
    pq.write_table(pa.table(arrays), buffer, write_page_checksum=True)
    return buffer.getvalue()


def write_decision(folder: Path, run: Run, queries: bytes | None = None) -> None:
    """Write ``trials.parquet``, ``recommendation.json``, ``queries.parquet`` and, last, ``run.json``.

    Args:
        folder: the run folder.
        run: what was decided.
        queries: content of ``queries.parquet``; None for a run that does not know its queries.

    Raises:
        StorageError: the folder cannot be written.
    """
    files: dict[str, bytes | str] = {
        TRIALS_FILE: trials_parquet(run.trials),
        RECOMMENDATION_FILE: pretty_json(recommendation_json(run.recommendation)),
        **({} if queries is None else {QUERIES_FILE: queries}),
    }
    with storage_errors(folder / RUN_FILE):
        (folder / RUN_FILE).unlink(missing_ok=True)
        (folder / QUERIES_FILE).unlink(missing_ok=True)  # of another run, if this one has none
    for name, data in files.items():
        write_atomically(folder / name, data)
    write_atomically(folder / RUN_FILE, pretty_json(sealed_info(run.info, files)))


def read_run(folder: Path) -> Run:
    """Read a finished run back.

    Raises:
        InputError: there is no finished run in this folder.
        ArtifactError: it was written by another version, or a file of it is missing, changed or damaged.
    """
    import pyarrow as pa  # noqa: PLC0415 - loaded when first used
    import pyarrow.parquet as pq  # noqa: PLC0415 - loaded when first used

    if not (folder / RUN_FILE).is_file():
        raise InputError(f"{folder} holds no finished run: {RUN_FILE} is missing",
                         next_step=f"Run: ragopt sweep CORPUS --out {folder}")  # fmt: skip
    try:
        info = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        check_schema(folder, RUN_FILE, info, SCHEMA)
        files = check_seal(folder, RUN_FILE, info)
        check_shape(folder, RUN_FILE, info)
        trials = pa.BufferReader(checked_bytes(folder, TRIALS_FILE, files))
        # On one thread: a command that ended at once, as after a mistake in its arguments, was seen to abort while a
        # library's threads still started ("terminate called without an active exception", once in 7,588 tests).
        rows = pq.read_table(trials, page_checksum_verification=True, use_threads=False).to_pylist()
        results = tuple(map(_result_of, rows))
        recommendation = _recommendation_of(json.loads(checked_bytes(folder, RECOMMENDATION_FILE, files)))
        kept_bytes(folder, QUERIES_FILE, files)  # read by `read_queries_of` where somebody asks for them
    except DAMAGE as error:
        why = " ".join(str(error).split())
        raise ArtifactError(f"The run in {folder} is damaged: {why}", next_step="Sweep again") from error
    return Run(str(folder), unsealed(info), results, recommendation)
