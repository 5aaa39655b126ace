"""Where a run's figures come from, and what it did not measure: what a reader needs in order to trust them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragopt.devices import Device
from ragopt.report.beside_baseline import baseline_result
from ragopt.report.cache_words import NO_LOG
from ragopt.report.words import query_sentences, shown
from ragopt.sweep.kept_cache import cache_of
from ragopt.sweep.kept_everywhere import everywhere_in_run
from ragopt.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ragopt.records import Run


def provenance(run: Run) -> tuple[tuple[str, str], ...]:
    """Name and value of what the figures depend on: corpus, queries, seed, machine, versions."""
    info = run.info
    corpus, machine, arguments = info["corpus"], info["machine"], info["arguments"]
    counts = (
        f"{int(corpus['n_documents']):,} documents, {int(corpus['n_chunks']):,} chunks, "
        f"{int(corpus['n_duplicates']):,} exact duplicates"
    )
    cpu = f"{shown(str(machine['cpu']))}, {machine['n_cores']} cores"
    versions = {"ragopt": info["ragopt_version"], **info["versions"]}
    models = [f"{shown(str(one['name']))}: {int(one['dim']):,} dimensions, {int(one['n_vectors']):,} vectors"
              for one in info["models"]]  # fmt: skip
    return (
        ("corpus", f"{shown(str(corpus['source']))}: {counts}"),
        ("fingerprint", shown(str(corpus["fingerprint"]))),
        ("models", "; ".join(models)),
        ("queries", " ".join(query_sentences(run))),
        ("metric and k", f"{shown(str(arguments.get('metric', 'unknown')))}, k = {int(info['k'])}"),
        ("trials", f"{int(info['counts']['n_trials']):,} over {int(info['counts']['n_spaces']):,} spaces"),
        ("seed", shown(str(arguments["seed"]))),
        ("machine", f"{cpu}, {format_bytes(machine['memory_bytes'])}, {shown(str(machine['system']))}"),
        ("device", device_line(info)),
        ("memory", memory_line(info)),
        ("versions", ", ".join(f"{shown(str(name))} {shown(str(value))}" for name, value in versions.items())),
        ("time", ", ".join(f"{shown(str(phase))} {seconds:.1f} s" for phase, seconds in info["seconds"].items())),
    )  # fmt: skip


def device_line(info: Mapping[str, Any]) -> str:
    """Where a run was computed and why; runs of earlier versions kept no device."""
    kept = info.get("device")
    return "not kept" if kept is None else shown(Device(**kept).printed())


def memory_line(info: Mapping[str, Any]) -> str:
    """Peaks of the process that finished the run, and the limit it was given."""
    anonymous, resident = info["peak_anonymous_bytes"], info.get("peak_resident_bytes")
    limit = info["arguments"].get("max_memory_bytes")
    parts = [f"at most {format_bytes(anonymous)} anonymous"]
    parts += [f"{format_bytes(resident)} resident"] if resident else []
    parts += [f"--max-memory {format_bytes(limit)}"] if limit else []
    return f"{', '.join(parts)} (of the process that finished the run: what was stored before it took none)"


def not_measured(run: Run) -> tuple[str, ...]:
    """What a reader might take for measured and is not, one sentence each."""
    chosen = run.recommendation
    found = [*_unmeasured_choice(run), *_unmeasured_trials(run)]
    if not any(name.startswith("ndcg") for name in chosen.quality):
        found.append("No query has judged documents: nDCG, MRR and recall of relevant documents were not measured.")
    kept = everywhere_in_run(run)
    others = [one.name for one in kept.targets if not one.serves_the_index] if kept else []
    if others:
        found.append(f"{len(others)} targets build an index of their own, whose recall and latency were not measured: "
                     f"{', '.join(map(shown, others))}.")  # fmt: skip
    if kept and kept.not_billed:
        found.append(f"Not billed: {', '.join(map(shown, kept.not_billed))} (ragopt bill RUN says why).")
    if cache_of(run) is None:
        found.append(NO_LOG)
    return tuple(found)


def _unmeasured_choice(run: Run) -> list[str]:
    chosen, baseline = run.recommendation, baseline_result(run)
    found = []
    if not chosen.confirmed:
        found.append("The recommended index was not built: its figures are estimates.")
    if chosen.latency is None:
        found.append("The recommended index's latency was not measured.")
    if baseline is None or baseline.latency is None:
        found.append("The baseline's latency was not measured.")
    result = next((one for one in run.trials if one.trial == chosen.trial), None)
    if result is not None and result.cold_reason:
        found.append(f"Its latency with the rescoring tier on disk was not measured: {shown(result.cold_reason)}")
    if chosen.forecast is not None:
        found.append(f"The bill is for {chosen.forecast.n_vectors:,} vectors; quality at that size is a forecast.")
    return found


def _unmeasured_trials(run: Run) -> list[str]:
    estimated = sum(not one.confirmed and one.status != "unsuitable" for one in run.trials)
    unsuitable = sum(one.status == "unsuitable" for one in run.trials)
    found = []
    if estimated:
        found.append(f"{estimated:,} of {len(run.trials):,} trials were not built: their quality is estimated from "
                     "shared candidates, their latency is unknown.")  # fmt: skip
    if unsuitable:
        found.append(f"{unsuitable:,} trials do not suit this corpus and were not measured.")
    return found
