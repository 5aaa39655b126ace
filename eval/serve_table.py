"""Medians of the rounds of a serving result, and the README's table of it. Standard library alone, for the tests."""

from __future__ import annotations

import statistics
from typing import Any

HEAD = ("row", "recall_vs_exact@10", "RAM MB", "imports MB", "rescoring MB", "queries/s, 1 caller", "p50 / p99 ms",
        "queries/s, 2 callers", "p99 ms", "queries/s, batch on 2 threads", "open ms", "first answer ms", "files MB",
        "build s")  # fmt: skip

RAGOPT = "ragopt"
"""Name of ragopt's own row."""


def summary_of(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Median of every figure over the rounds, under the same names.

    >>> summary_of([{"a": 1, "b": {"c": 5}}, {"a": 3, "b": {"c": 7}}, {"a": 2, "b": {"c": 6}}])
    {'a': 2, 'b': {'c': 6}}
    """
    return {
        name: summary_of([one[name] for one in rounds])
        if isinstance(value, dict)
        else statistics.median(one[name] for one in rounds)
        for name, value in rounds[0].items()
    }


def serve_table(result: dict[str, Any]) -> str:
    """Markdown: rows that reach the recall by RAM, then those that do not, then those that failed."""
    good = sorted((row for row in result["rows"] if "error" not in row), key=lambda row: (not reaches(row), ram(row)))
    failed = [f"| {row['name']} | failed: {row['error'].strip().splitlines()[-1].replace('|', '/')[:160]} |"
              + " |" * (len(HEAD) - 2) for row in result["rows"] if "error" in row]  # fmt: skip
    head = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    return "\n".join([_about(result), "", *head, *(_line(row) for row in good), *failed, "", _after(result)])


def reaches(row: dict[str, Any]) -> bool:
    """Whether the row reached the target on the choosing queries."""
    return bool(row["tuning"]["reached"])


def ram(row: dict[str, Any]) -> float:
    """RAM bytes without the rescoring tier."""
    return float(row["summary"]["memory"]["ram_bytes"])


def standing(rows: list[dict[str, Any]]) -> dict[str, float] | None:
    """How ragopt stands among the rows that reach the recall.

    Returns:
        `ram_share`: its RAM over the least of the others; `qps_share_1` and `qps_share_2`: its queries per second over
        the most of the others, with one caller and with two. None without ragopt or without another row.
    """
    compared = [row for row in rows if "error" not in row and reaches(row)]
    ours = [row for row in compared if row["name"] == RAGOPT]
    others = [row for row in compared if row["name"] != RAGOPT]
    if not ours or not others:
        return None

    def share(threads: str) -> float:
        return float(
            ours[0]["summary"][threads]["qps"] / max(row["summary"][threads]["qps"] for row in others)
        )  # fmt: skip

    return {"ram_share": ram(ours[0]) / min(map(ram, others)), "qps_share_1": share("one_thread"),
            "qps_share_2": share("two_threads")}  # fmt: skip


def shares_of_rounds(rows: list[dict[str, Any]], threads: str) -> tuple[float, float]:
    """Least and largest of ragopt's queries per second over the most of the others', both of the same round."""
    compared = [row for row in rows if "error" not in row and reaches(row)]
    qps = {row["name"]: [one[threads]["qps"] for one in row["rounds"]] for row in compared}
    shares = [own / max(qps[name][number] for name in qps if name != RAGOPT) for number, own in enumerate(qps[RAGOPT])]
    return min(shares), max(shares)


def _about(result: dict[str, Any]) -> str:
    data, machine = result["data"], result["machine"]
    return (
        f"{data['n_vectors']:,} vectors of {data['dim']} dimensions ({data['name']}); settings chosen on "
        f"{data['n_select']:,} questions for a lower 95 % bound of {result['target']['value']}, figures of others, "
        f"each asked once; medians of {result['n_rounds']} rounds on {machine['n_cores']} shared cores "
        f"({machine['cpu']})."
    )


def _line(row: dict[str, Any]) -> str:
    at, found = row["summary"], row["recall_vs_exact@10"]
    memory, one, two = at["memory"], at["one_thread"], at["two_threads"]
    setting = ", ".join(f"{name}={value}" for name, value in row["tuning"]["setting"].items())
    label = row["label"] + (f", {setting}" if setting else "") + ("" if reaches(row) else " (misses the recall)")
    cells = [
        label,
        f"{found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]",
        f"{memory['ram_bytes'] / 1e6:.1f}",
        f"{memory['baseline_anonymous_bytes'] / 1e6:.0f}",
        f"{memory['rescoring_bytes'] / 1e6:.1f}",
        f"{one['qps']:,.0f}",
        f"{one['p50_ms']:.3f} / {one['p99_ms']:.3f}",
        f"{two['qps']:,.0f}",
        f"{two['p99_ms']:.3f}",
        f"{at['batch_qps']['2']:,.0f}",
        f"{at['open_ms']:.1f}",
        f"{at['first_answer_ms']:.1f}",
        f"{memory['file_bytes'] / 1e6:.1f}",
        f"{row['build_seconds']:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _after(result: dict[str, Any]) -> str:
    stands, machine = standing(result["rows"]), result["machine"]
    words = []
    if stands:
        one, two = (shares_of_rounds(result["rows"], threads) for threads in ("one_thread", "two_threads"))
        words.append(
            f"Beside the best of the other rows that reach the recall, ragopt needs {stands['ram_share']:.2f} times "
            f"the least RAM and answers {stands['qps_share_1']:.2f} times the most queries per second with one caller "
            f"({one[0]:.2f} to {one[1]:.2f} by round), {stands['qps_share_2']:.2f} times with two ({two[0]:.2f} to "
            f"{two[1]:.2f})."
        )
    command = next((row["details"]["command"] for row in result["rows"]
                    if row["name"] == RAGOPT and "error" not in row), "")  # fmt: skip
    if command:
        words.append(
            f"ragopt's row is what `{command}` recommends, built by `ragopt build`. Its latency limit was set with the "
            "graphs in view, whose p99 is about that; without one the fewest bytes are bought with time."
        )
    words.append(
        "RAM is anonymous memory plus resident pages of mapped index files after 1,000 warm queries, less the "
        "anonymous memory before the index was opened, which is that of the interpreter and the imported libraries "
        "(imports); the pages of a rescoring tier are apart. ragopt imports LanceDB and Arrow too, for texts and full "
        "verification. LanceDB rescores through the kernel's page cache, which is in neither column. Files were in "
        "that cache when opened."
    )
    versions = ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items()))
    words.append(f"Load average at most {machine['load_average_max']}. Versions: {versions}.")
    return " ".join(words)
