"""Figures and sentences that the page and the terminal share, so that both say the same."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from ragopt.bill.targets import ram_bytes_per_vector_at
from ragopt.bill.workload_fields import FIELDS
from ragopt.records import LatencyMs, Quality, RecallForecast, Recommendation, Run
from ragopt.units import to_cents

SYNTHETIC = "synthetic queries"

LEAST_PLAIN = Decimal("1e-12")
"""A price of one token in USD has up to nine decimals; no price of the book is smaller than this."""

SHOWN_CHARACTERS = 400
"""Longer names are cut in tables: a printed trial is under 200 characters, a hostile name may be any length."""


def usd_text(usd: Decimal) -> str:
    """Money with two decimals and thousands separators; what rounds to nothing has no sign.

    >>> usd_text(Decimal("1234.5")), usd_text(Decimal("-0.004"))
    ('1,234.50', '0.00')
    """
    return f"{to_cents(usd) + 0:,.2f}"  # -0.00 + 0 is 0.00


def number_text(value: float | Decimal) -> str:
    """A plain number with up to four decimals, smaller ones with three digits; no trailing zeros.

    In exponent form only below `LEAST_PLAIN`: the zeros could not be counted.

    >>> number_text(1024.0), number_text(Decimal("0.08330")), number_text(Decimal("3.0E-7"))
    ('1,024', '0.0833', '0.0000003')
    """
    text = f"{value:,.4f}".rstrip("0").rstrip(".")
    if text not in {"0", "-0"} or not value:
        return text
    three = Decimal(f"{value:.3g}").normalize()
    return f"{three:f}" if abs(three) >= LEAST_PLAIN else f"{value:.3g}"


def decimal_text(value: Decimal) -> str:
    """A price or quantity to its last digit, in plain notation.

    >>> decimal_text(Decimal("1E-7")), decimal_text(Decimal("730"))
    ('0.0000001', '730')
    """
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def bytes_text(bytes_per_vector: float) -> str:
    """Bytes per vector with their unit.

    >>> bytes_text(32.0), bytes_text(40.125)
    ('32 B', '40.12 B')
    """
    return f"{bytes_per_vector:,.2f}".rstrip("0").rstrip(".") + " B"


def value_text(value: float) -> str:
    """A quality to four decimals."""
    return f"{value:.4f}"


def interval_text(quality: Quality) -> str:
    """The 95 % interval in brackets."""
    return f"[{quality.low:.4f}, {quality.high:.4f}]"


def quality_text(quality: Quality) -> str:
    """Value, 95 % interval and number of queries.

    >>> quality_text(Quality(0.99, 0.985, 0.9941, 1000))
    '0.9900 [0.9850, 0.9941], n = 1,000'
    """
    return f"{value_text(quality.value)} {interval_text(quality)}, n = {quality.n_queries:,}"


def quality_from_json(figures: Mapping[str, Any]) -> Quality:
    """Read one quality of ``run.json`` (`models[].exact`)."""
    return Quality(
        value=float(figures["value"]),
        low=float(figures["low"]),
        high=float(figures["high"]),
        n_queries=int(figures["n_queries"]),
    )


def latency_text(latency: LatencyMs | None) -> str:
    """Single-thread latency in milliseconds, or that it was not measured."""
    if latency is None:
        return "not measured"
    return (
        f"p50 {latency.p50:.3f} ms, p95 {latency.p95:.3f} ms, p99 {latency.p99:.3f} ms"
        f" (one thread, n = {latency.n_queries:,})"
    )


def shown(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    r"""Make text safe to show anywhere: control and direction characters spelt out, the rest cut at `limit`.

    >>> shown("a\x1b[31m")
    'a\\x1b[31m'
    """
    if len(text) <= limit and text.isprintable():
        return text
    visible = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text[: limit + 1]
    )
    if len(visible) <= limit:
        return visible
    return f"{visible[:limit]}… ({len(text):,} characters)"


def saving_sentence(recommendation: Recommendation) -> str:
    """The bill beside the baseline's, as one sentence."""
    ours, theirs = recommendation.bill.usd_per_month, recommendation.baseline_bill.usd_per_month
    label = shown(recommendation.baseline_label)
    start = f"USD {usd_text(ours)} per month on {recommendation.target}"
    beside = f"USD {usd_text(theirs)} on {recommendation.baseline_bill.target} for {label}"
    saving = theirs - ours
    if saving == 0:
        return f"{start}, the same as {beside}."
    verdict = "less" if saving > 0 else "more"
    share = f" ({_percent(abs(saving) / theirs)})" if theirs > 0 else ""
    return f"{start}, USD {usd_text(abs(saving))}{share} {verdict} than {beside}."


def _percent(share: Decimal) -> str:
    percent = share * 100
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %"


def bytes_sentence(recommendation: Recommendation) -> str:
    """Bytes per vector in RAM and on disk beside the baseline's, as one sentence."""
    sizes, baseline = recommendation.index_bytes, recommendation.baseline_ram_bytes_per_vector
    sentence = f"{bytes_text(sizes.ram_bytes_per_vector)} per vector in RAM"
    in_ram = ram_bytes_per_vector_at(recommendation.target, sizes)
    if in_ram > sizes.ram_bytes_per_vector:
        sentence = (
            f"{bytes_text(sizes.ram_bytes_per_vector)} of codes per vector, {bytes_text(in_ram)} in RAM with the "
            f"rescoring tier, which {shown(recommendation.target)} holds there too"
        )
    elif sizes.disk_bytes_per_vector:
        sentence += f" and {bytes_text(sizes.disk_bytes_per_vector)} on disk"
    sentence += f", against {bytes_text(baseline)} in RAM for {shown(recommendation.baseline_label)}"
    ratio = baseline / in_ram if in_ram else math.inf
    return f"{sentence} ({ratio:.1f} times fewer)." if 1 < ratio < math.inf else f"{sentence}."


def host_text(source: str) -> str:
    """The host of a source that begins with an address of the web, else the whole source: short enough for a line.

    >>> host_text("https://example.org/a/long/path (read 2026-07)"), host_text("contract of May")
    ('example.org', 'contract of May')
    """
    found = re.match(r"https?://([^/?# ]+)", source)
    return found[1] if found else source


def measured_vectors(run: Run) -> int:
    """Vectors in the indexes that the recommended model was measured with."""
    model = run.recommendation.trial.space.model
    return max((int(one["n_vectors"]) for one in run.info["models"] if one["name"] == model), default=0)


def scale_sentence(run: Run) -> str:
    """Say that the bill is for another number of vectors than the figures were measured with; empty where it is not."""
    measured, billed = measured_vectors(run), int(run.info["workload"]["n_vectors"])
    if measured == billed:
        return ""
    return (
        f"The bill is for {billed:,} vectors; quality and latency were measured with {measured:,}. Limits on them are "
        "judged at that size."
    )


def forecast_words(forecast: RecallForecast) -> str:
    """What recall is forecast at the billed size, in a few words.

    >>> forecast_words(RecallForecast(10**6, None, None, 0.97, "", ""))
    'at 1,000,000 vectors: at most 0.9700, no lower end known'
    """
    at = f"at {forecast.n_vectors:,} vectors"
    if forecast.low is None:
        return f"{at}: at most {forecast.high:.4f}, no lower end known"
    return f"{at}: forecast {forecast.low:.4f} to {forecast.high:.4f}"


def reduction_words(recommendation: Recommendation) -> str:
    """The space in words: the model's own vectors, their first dimensions, or principal components."""
    space = recommendation.trial.space
    kinds = {
        "none": "the model's full dimension",
        "trunc": "the first ones of the model's vectors",
        "pca": "by PCA, a rotation without centring",
        "joint": "by a rotation fitted on documents and queries together, without centring",
    }
    return f"{space.dim} dimensions, {kinds[space.reduction]}"


def headline(recommendation: Recommendation) -> str:
    """The first sentence of every output."""
    if recommendation.status == "nothing_fits":
        return "No trial meets the limits; the closest one is shown below."
    space = recommendation.trial.space
    return f"Use {shown(space.model)} at {space.dim} dimensions in a FAISS index {recommendation.trial.factory}."


def confirmation_sentence(recommendation: Recommendation) -> str:
    """Where the recommendation's figures come from."""
    if recommendation.confirmed:
        return "Its figures were measured on an index built from the whole corpus."
    return "Its figures are estimates from shared candidates: no index was built, nothing of it is confirmed."


def query_sentences(run: Run) -> tuple[str, ...]:
    """Which queries the figures come from, one sentence each."""
    queries = run.info["queries"]
    n_select, n_confirm = int(queries["n_select"]), int(queries["n_confirm"])
    origin = (
        f"The queries are synthetic queries: {int(queries['n_queries']):,} made from the corpus itself."
        if queries["synthetic"]
        else f"{int(queries['n_queries']):,} queries from {shown(str(queries['source']))}."
    )
    if queries["confirm_holdout"]:
        split = f"{n_select:,} of them selected the finalists; {n_confirm:,} others measured the finalists again."
    else:
        split = (
            f"{n_select:,} of them selected the finalists and {n_confirm:,} of the same ones measured them again,"
            " so that the finalists' figures may be slightly high."
        )
    return origin, split


OPTION_NAMES = {
    "models": "--model",
    "ready.column": "--vector-column",
    "max_memory_bytes": "--max-memory",
}
"""Options of `ragopt sweep` whose name is not that of the setting they fill."""


def reproduce_command(run: Run) -> str:
    """The shell line that repeats the run, from the settings in ``run.json``; what is unset, or on, is left out."""
    settings = dict(_flat(run.info["arguments"]))
    corpus = settings.pop("corpus", None)
    words = ["ragopt", "sweep", *([str(corpus)] if corpus else [])]
    if "chunk.chunk_tokens" in settings and settings["chunk.chunk_tokens"] is None:
        settings.pop("chunk.chunk_overlap", None)
        words.append("--no-chunk")
    for name, value in settings.items():
        if name.startswith("workload."):
            words += _workload_words(name.removeprefix("workload."), value)
            continue
        option = OPTION_NAMES.get(name) or "--" + name.rpartition(".")[2].replace("_", "-")
        if isinstance(value, bool):
            words += [] if value else ["--no-" + option.removeprefix("--")]
        elif value is not None:
            for one in value if isinstance(value, list | tuple) else [value]:
                words += [option, str(one)]
    return shlex.join(words)


def _workload_words(name: str, value: Any) -> list[str]:
    """A field of the workload as its own option, or as `--set` where it has none."""
    option = FIELDS[name].option
    return [option, str(value)] if option else ["--set", f"{name}={value}"]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings with groups spelt out: `scale.n_vectors`."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
