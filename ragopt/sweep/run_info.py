"""The content of ``run.json``: what was asked, with which versions, on which machine, on what material."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ragopt
from ragopt.choose import is_exact
from ragopt.measure.intervals import few_queries_warning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragopt.bill.workload import Workload
    from ragopt.records import TrialResult
    from ragopt.sweep.material import Material
    from ragopt.sweep.settings import SweepSettings

VERSIONED = ("faiss-cpu", "faiss-gpu", "numpy", "pyarrow", "wordllama", "sentence-transformers", "torch", "tokenizers")


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that figures depend on."""
    found = {"python": platform.python_version(), "ragopt": ragopt.__version__}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """The processor, its cores and memory, and the system: latencies hold for these."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": model, "n_cores": os.cpu_count(), "memory_bytes": memory, "system": platform.platform()}


def arguments(settings: SweepSettings) -> dict[str, Any]:
    """The settings as JSON values, places on this machine left out."""
    values = asdict(settings)
    limits = values.pop("limits")
    for name in ("out", "cache_dir"):
        del values[name]
    if limits["max_usd"] is not None:
        limits["max_usd"] = f"{limits['max_usd']:f}"
    values["workload"] = {
        name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in settings.workload.items()
    }
    if values["prices"] is not None:
        values["prices"] = str(values["prices"])
    return {**values, **limits}


def describe_run(
    settings: SweepSettings,
    material: Material,
    results: Sequence[TrialResult],
    workload: Workload,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Gather what ``run.json`` holds."""
    split = material.split
    n_select, n_confirm = len(split.select), len(split.confirm)
    few = few_queries_warning(n_select)
    exact = {
        result.trial.space.model: {name: asdict(figure) for name, figure in result.quality.items()}
        for result in results
        if is_exact(result.trial)
    }
    models = [
        {"name": data.model, "dim": data.vectors.dim, "device": data.device, "dtype": data.dtype,
         "n_vectors": data.vectors.n, "exact": exact[data.model]}
        for data in material.models
    ]  # fmt: skip
    return {
        "schema": 1,
        "ragopt_version": ragopt.__version__,
        "arguments": arguments(settings),
        "k": settings.k,
        "versions": versions(),
        "machine": machine(),
        "corpus": dict(material.about_corpus),
        "queries": {
            **material.about_queries,
            "n_queries": len(material.query_ids),
            "n_select": n_select,
            "n_confirm": n_confirm,
            "n_fit": len(split.fit),
            "confirm_holdout": split.holdout,
        },
        "models": models,
        "workload": workload.as_json(),
        "counts": {
            "n_spaces": len({result.trial.space for result in results}),
            "n_factories": len({(result.trial.space, result.trial.factory) for result in results}),
            "n_trials": len(results),
        },
        "warnings": [*warnings, few] if few else list(warnings),
    }
