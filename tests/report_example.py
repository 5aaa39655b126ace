"""Finished runs for the report's tests, built by hand: about forty trials with intervals and bills."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ragopt.records import (
    Bill,
    BillLine,
    IndexBytes,
    LatencyMs,
    Part,
    Quality,
    Recommendation,
    Run,
    Space,
    Trial,
    TrialResult,
)
from tests.everywhere_example import everywhere_info

MODEL = "wordllama"
HOSTILE = "<script>alert('x')</script>\"&{{7*7}}</svg></style>\u202e"
HOSTILE_SOURCES = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(document.domain)//https://example.org",
    f"https://x/{HOSTILE}",
)
TARGETS = ("faiss-ram", "faiss-ram-nvme")


def quality(value: float, *, n_queries: int = 1000, half: float = 0.006, estimated: float | None = None) -> Quality:
    """An interval of a given half width, cut at 0 and 1."""
    return Quality(value, max(0.0, value - half), min(1.0, value + half), n_queries, estimated)


PARTS: dict[str, Part] = {"RAM": "memory", "NVMe": "storage"}


def line(item: str, quantity: str, unit: str, price: str, source: str = "https://example.org/prices") -> BillLine:
    """One bill line whose money is quantity times price, to the cent."""
    usd = (Decimal(quantity) * Decimal(price)).quantize(Decimal("0.01"))
    part = PARTS.get(item, "compute")
    return BillLine(item, Decimal(quantity), unit, Decimal(price), usd, source, "2026-07-20", part)


def bill(target: str, *lines: BillLine) -> Bill:
    """A bill that is exactly the sum of its lines."""
    usd = sum((one.usd for one in lines), Decimal("0.00"))
    return Bill(target, usd, usd - Decimal("0.50"), usd + Decimal("0.75"), lines)


def bills(ram_bytes: float, disk_bytes: float, n_vectors: int) -> dict[str, Bill]:
    """RAM and NVMe priced by the gigabyte for an index of `n_vectors`."""
    ram_gb = f"{ram_bytes * n_vectors / 1e9:.4f}"
    both_gb = f"{(ram_bytes + disk_bytes) * n_vectors / 1e9:.4f}"
    disk_gb = f"{disk_bytes * n_vectors / 1e9:.4f}"
    all_ram = bill(TARGETS[0], line("RAM", both_gb, "GB-month", "3.65"), line("CPU", "730", "vCPU-hour", "0.0102"))
    tiered = bill(
        TARGETS[1],
        line("RAM", ram_gb, "GB-month", "3.65"),
        line("NVMe", disk_gb, "GB-month", "0.12"),
        line("CPU", "730", "vCPU-hour", "0.0162"),
    )
    return {one.target: one for one in (all_ram, tiered)}


# (space, factory, search, RAM bytes, disk bytes, recall, nDCG): plausible figures of a 256-dimension model.
ROWS: tuple[tuple[str, str, str, float, float, float, float], ...] = (
    ("256:none", "Flat", "", 1024, 0, 1.0, 0.513),
    ("256:none", "SQ8", "", 256, 0, 0.9932, 0.5127),
    ("256:none", "SQ4", "", 128, 0, 0.9401, 0.509),
    ("256:none", "PQ64np", "", 64, 0, 0.8712, 0.501),
    ("256:none", "PQ128x4fs", "", 64, 0, 0.8204, 0.497),
    ("256:none", "PQ32np", "", 32, 0, 0.7210, 0.470),
    ("256:none", "RaBitQ", "", 40, 0, 0.6541, 0.452),
    ("256:none", "RaBitQ2", "", 72, 0, 0.8120, 0.495),
    ("256:none", "RaBitQ4", "", 136, 0, 0.9370, 0.508),
    ("256:none", "PQ64np,Refine(SQ8)", "k_factor_rf=10", 64, 256, 0.9921, 0.5126),
    ("256:none", "PQ64x4fs,Refine(SQ8)", "k_factor_rf=10", 32, 256, 0.9640, 0.511),
    ("256:none", "PQ64x4fs,Refine(SQ8)", "k_factor_rf=25", 32, 256, 0.9881, 0.5125),
    ("256:none", "RaBitQ,Refine(SQ8)", "k_factor_rf=10", 40, 256, 0.9612, 0.511),
    ("256:none", "RaBitQ,Refine(SQ8)", "k_factor_rf=25", 40, 256, 0.9874, 0.512),
    ("256:none", "PCAR128,PQ32np,Refine(SQfp16)", "k_factor_rf=10", 32, 512, 0.9702, 0.5121),
    ("256:none", "PCAR128,PQ16np,Refine(SQfp16)", "k_factor_rf=25", 16, 512, 0.9604, 0.5119),
    ("256:none", "PCAR128,PQ16np,Refine(SQfp16)", "k_factor_rf=10", 16, 512, 0.9012, 0.505),
    ("256:none", "PCAR64,PQ8np,Refine(SQfp16)", "k_factor_rf=25", 8, 512, 0.8340, 0.493),
    ("256:none", "IVF256,PQ32np", "nprobe=16", 40, 0, 0.7012, 0.466),
    ("128:trunc", "Flat", "", 512, 0, 0.8010, 0.489),
    ("128:trunc", "SQ8", "", 128, 0, 0.7991, 0.4885),
    ("128:trunc", "SQ4", "", 64, 0, 0.7720, 0.485),
    ("128:trunc", "PQ32np", "", 32, 0, 0.7011, 0.469),
    ("128:trunc", "PQ64x4fs", "", 32, 0, 0.6702, 0.460),
    ("128:trunc", "RaBitQ", "", 24, 0, 0.5510, 0.421),
    ("64:trunc", "Flat", "", 256, 0, 0.6021, 0.441),
    ("64:trunc", "SQ8", "", 64, 0, 0.6010, 0.440),
    ("64:trunc", "PQ16np", "", 16, 0, 0.5120, 0.403),
    ("64:trunc", "RaBitQ", "", 16, 0, 0.4011, 0.352),
    ("128:pca", "Flat", "", 512, 0, 0.8320, 0.499),
    ("128:pca", "SQ8", "", 128, 0, 0.8301, 0.4985),
    ("128:pca", "SQ4", "", 64, 0, 0.8040, 0.494),
    ("128:pca", "PQ32np", "", 32, 0, 0.7290, 0.478),
    ("128:pca", "RaBitQ", "", 24, 0, 0.5912, 0.437),
    ("64:pca", "SQ8", "", 64, 0, 0.6640, 0.459),
    ("64:pca", "PQ16np", "", 16, 0, 0.5630, 0.421),
    ("64:pca", "RaBitQ", "", 16, 0, 0.4420, 0.371),
    ("32:pca", "SQ8", "", 32, 0, 0.4501, 0.380),
)
RECOMMENDED = "256:none | PCAR128,PQ16np,Refine(SQfp16) | k_factor_rf=25"
BUILT = (RECOMMENDED, "256:none | PCAR128,PQ32np,Refine(SQfp16) | k_factor_rf=10", "256:none | SQ8")


def results(model: str, n_vectors: int, *, shift: float = 0.0) -> list[TrialResult]:
    """One result per row of `ROWS`, and two trials that this corpus cannot train."""
    found = []
    for space, factory, search, ram, disk, recall, ndcg in ROWS:
        trial = Trial(Space.parse(f"{model}@{space}"), factory, search)
        name = str(trial).removeprefix(f"{model}@")
        value = recall if recall == 1.0 else round(recall + shift, 4)
        built = name in BUILT
        half = 0.0 if recall == 1.0 else 0.004 + (1 - recall) * 0.03
        sizes = IndexBytes(ram, 20_000, disk, int((ram + disk) * n_vectors) + 20_000)
        found.append(
            TrialResult(
                trial,
                "recommended" if name == RECOMMENDED else "finalist" if built else "estimated",
                confirmed=built,
                quality={
                    "recall_vs_exact@10": quality(
                        value, half=half, n_queries=2000 if built else 1000, estimated=value - 0.002 if built else None
                    ),
                    "ndcg@10": quality(ndcg, half=0.02, n_queries=300),
                },
                index_bytes=sizes,
                latency=LatencyMs(0.41, 0.72, 0.93, 1000) if built else None,
                qps=2400.0 if built else None,
                train_seconds=1.5 if built else None,
                build_seconds=12.25 if built else None,
                bills=bills(ram, disk, n_vectors),
            )
        )
    reason = f"{factory_reason()} {HOSTILE if '<' in model else ''}".strip()
    space = Space(model, 256, "none")
    return found + [TrialResult(Trial(space, factory), "unsuitable", reason) for factory in ("PQ48np", "IVF65536,SQ8")]


def factory_reason() -> str:
    """Why a trial is unsuitable."""
    return "48 does not divide 256; 32 and 64 do."


def info(model: str, corpus: str, n_vectors: int, *, synthetic: bool) -> dict[str, Any]:
    """The parsed ``run.json``."""
    exact = {"ndcg@10": {"value": 0.513, "low": 0.493, "high": 0.533, "n_queries": 300}}
    return {
        "schema": 1,
        "ragopt_version": "0.1.0",
        "arguments": {
            "corpus": corpus,
            "ready": None,
            "models": [model],
            "device": "auto",
            "read": {"id_column": None, "title_column": "headline", "text_column": None},
            "chunk": {"chunk_tokens": None, "chunk_overlap": 32},
            "queries": None,
            "metric": "cosine",
            "k": 10,
            "seed": 7,
            "n_queries": 1000,
            "objective": "usd",
            "cost_model": "scan",
            "workload": {"n_vectors": n_vectors, "peak_qps": "10", "n_replicas": 2, "horizon_months": 24},
            "min_recall": 0.95,
            "min_ndcg_ratio": None,
            "max_p99_ms": None,
            "max_usd": None,
        },
        "versions": {"python": "3.11.9", "ragopt": "0.1.0", "faiss": "1.15.1", "numpy": "2.4.6"},
        "machine": {"cpu": "Example CPU", "n_cores": 2, "memory_bytes": 8_000_000_000, "system": "Linux"},
        "corpus": {
            "source": corpus,
            "fingerprint": "0123abcd" * 8,
            "n_documents": 5183,
            "n_chunks": 9000,
            "n_duplicates": 12,
        },
        "queries": {
            "source": "titles" if synthetic else "queries.jsonl",
            "synthetic": synthetic,
            "n_queries": 3000,
            "n_select": 1000,
            "n_confirm": 2000,
            "confirm_holdout": True,
        },
        "models": [{"name": model, "dim": 256, "device": "cpu", "n_vectors": 8988, "exact": exact}],
        "workload": {
            "n_vectors": n_vectors,
            "queries_per_month": 1_000_000,
            "peak_qps": "10",
            "n_replicas": 2,
            "provider": "aws",
            "region": "us-east-1",
        },
        "counts": {"n_spaces": 6, "n_factories": 18, "n_trials": len(ROWS) + 2},
        "warnings": [f"nDCG was measured on 300 queries from {corpus}."],
        "seconds": {"embed": 4.5, "exact": 2.25, "estimate": 30.0, "confirm": 12.0},
        "peak_anonymous_bytes": 734_000_000,
        "k": 10,
        "billed_on": "2026-08-19",
    }


def recommendation(trials: list[TrialResult], model: str, *, synthetic: bool) -> Recommendation:
    """The recommended row beside the float32 baseline."""
    chosen = next(one for one in trials if one.status == "recommended")
    flat = next(one for one in trials if one.trial.factory == "Flat")
    sizes, baseline = chosen.index_bytes, flat.index_bytes
    assert sizes is not None
    assert baseline is not None
    return Recommendation(
        status="ok",
        trial=chosen.trial,
        confirmed=True,
        target=TARGETS[1],
        quality=chosen.quality,
        index_bytes=sizes,
        latency=chosen.latency,
        bill=chosen.bills[TARGETS[1]],
        baseline_label="float32, same model, full dimension",
        baseline_bill=flat.bills[TARGETS[0]],
        baseline_ram_bytes_per_vector=baseline.ram_bytes_per_vector,
        loss_vs_exact={"ndcg@10": Quality(0.0011, -0.0032, 0.0054, 300)},
        why=(
            f"It is the cheapest of {len(ROWS)} trials whose lower bound of recall_vs_exact@10 is at least 0.95.",
            f"Its codes take 16 B per vector instead of 1,024 B for {model}.",
        ),
        runners_up=tuple(str(one.trial) for one in trials if one.status == "finalist"),
        synthetic_queries=synthetic,
    )


def example_run(
    *, model: str = MODEL, corpus: str = "docs/handbook", n_vectors: int = 100_000_000, synthetic: bool = True
) -> Run:
    """A finished run with one model and forty trials; a million times the corpus, so that bills differ."""
    trials = results(model, n_vectors)
    decided = recommendation(trials, model, synthetic=synthetic)
    found = info(model, corpus, n_vectors, synthetic=synthetic)
    return Run(
        folder="runs/example",
        info=found | {"everywhere": everywhere_info(decided.bill, n_vectors)},
        trials=tuple(trials),
        recommendation=decided,
    )


def old_run() -> Run:
    """The example as a run kept it before the bill at every target was kept."""
    run = example_run()
    return replace(run, info={name: value for name, value in run.info.items() if name != "everywhere"})


def hostile_run() -> Run:
    """The example with markup, script, template syntax and control characters in every free text."""
    run = example_run(model=f"m{HOSTILE}", corpus=f"c{HOSTILE}\x1b[31m")
    bill = run.recommendation.bill
    lines = tuple(
        replace(one, item=f"i{HOSTILE}", source=source, caution=HOSTILE, unit=HOSTILE)
        for one, source in zip(bill.lines, HOSTILE_SOURCES, strict=True)
    )
    run = replace(run, recommendation=replace(run.recommendation, bill=replace(bill, lines=lines, notes=(HOSTILE,))))
    found = dict(run.info)
    text = json.dumps(found["everywhere"])
    for word in ("early", "CPU time per query", "20 QPS at the peak", "every byte of code"):
        text = text.replace(word, json.dumps(HOSTILE)[1:-1])
    found["everywhere"] = json.loads(text)
    found["warnings"] = [HOSTILE, "x" * 10_000]
    found["machine"] = found["machine"] | {"cpu": HOSTILE}
    return replace(run, info=found)


def small_run() -> Run:
    """The example at 10,000 vectors: every trial costs the same within 1 %, so that USD separates nothing."""
    run = example_run(n_vectors=10_000)
    flat_bill = bill(TARGETS[0], line("t4g.nano", "730", "instance-hour", "0.0042"))
    trials = [replace(one, bills={TARGETS[0]: flat_bill} if one.bills else {}) for one in run.trials]
    chosen = replace(run.recommendation, target=TARGETS[0], bill=flat_bill, baseline_bill=flat_bill)
    found = dict(run.info) | {"everywhere": everywhere_info(flat_bill, 10_000)}
    return replace(run, info=found, trials=tuple(trials), recommendation=chosen)


def two_model_run() -> Run:
    """The example with a second model at the same dimensions."""
    run = example_run()
    second = [
        replace(one, status="estimated" if one.status == "recommended" else one.status)
        for one in results("all-MiniLM-L6-v2", 100_000_000, shift=-0.0123)
    ]
    found = dict(run.info)
    found["models"] = [*found["models"], found["models"][0] | {"name": "all-MiniLM-L6-v2"}]
    found["arguments"] = found["arguments"] | {"models": [MODEL, "all-MiniLM-L6-v2"]}
    return replace(run, info=found, trials=(*run.trials, *second))


def nothing_fits_run() -> Run:
    """The example with a limit that no trial meets."""
    run = example_run()
    chosen = replace(
        run.recommendation,
        status="nothing_fits",
        why=("No trial meets --max-usd 1.00: the cheapest one that meets the other limits costs 23.70.",),
    )
    return replace(run, recommendation=chosen)
