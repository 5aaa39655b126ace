"""The README's table of a frontier result. Standard library alone: tests load it without the peers."""

from __future__ import annotations

from typing import Any

HEAD = ("peer", "setting", "RAM B/vector + fixed kB", "rescoring B/vector", "measured RAM MB + rescoring MB",
        "recall_vs_exact@10", "nDCG@10", "MRR@10 loss", "p50 / p95 ms", "CPU p50 ms", "build s")  # fmt: skip


def frontier_table(result: dict[str, Any]) -> str:
    """Markdown: rows that reach the target by RAM, then those that do not, then those that failed."""
    target = result["target"]["value"]
    lines = [_line(row, kind, target) for row in result["rows"] if "error" not in row for kind in row["settings"]]
    lines.sort()
    failed = [f"| {row['name']} | failed: {_short(row['error'])} |" + " |" * (len(HEAD) - 2)
              for row in result["rows"] if "error" in row]  # fmt: skip
    head = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    return "\n".join([_about(result), "", *head, *(text for _, text in lines), *failed, "", _after(result)])


def _about(result: dict[str, Any]) -> str:
    data, machine = result["data"], result["machine"]
    return (
        f"{data['n_vectors']:,} vectors of {data['dim']} dimensions ({data['name']}); knobs chosen on "
        f"{data['n_select']:,} queries ({data['split']} order), figures from "
        f"{data['n_report']:,} others with 95 % intervals; one thread of "
        f"{machine['cpu']}. Bold: the recall of the row is at least {result['target']['value']}."
    )


def _after(result: dict[str, Any]) -> str:
    exact = result["exact"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(result["versions"].items()))
    return (
        f"Exact search has nDCG@10 {exact['ndcg@10']['value']:.4f} and MRR@10 {exact['mrr@10']['value']:.4f}. "
        "RAM is codes, ids and links by each peer's format; measured RAM is anonymous plus resident mapped pages after "
        f"1,000 warm queries less those of a process without an index, library overhead included; "
        "the pages that LanceDB reads through the kernel's cache are not in it. Versions: "
        f"{versions}. "
        f"Load average while measuring: {result['machine']['load_average_max']} at most on "
        f"{result['machine']['n_cores']} cores, which lengthens wall time, not CPU time."
    )


def _line(row: dict[str, Any], kind: str, target: float) -> tuple[tuple[bool, float, str], str]:
    at, sizes = row["settings"][kind], row["sizes"]
    recall, loss = at["quality"]["recall_vs_exact@10"], at["quality"]["mrr@10_loss"]
    reaches = recall["value"] >= target
    mark = "**" if reaches else ""
    setting = ", ".join(f"{name}={value}" for name, value in at["setting"].items()) or "-"
    cells = [
        row["label"],
        setting + _remark(row, kind, target),
        f"{sizes['ram_bytes_per_vector']:g} + {sizes['ram_fixed_bytes'] / 1e3:.0f}",
        f"{sizes['rescoring_bytes_per_vector']:g}",
        _memory(row["memory"]),
        f"{mark}{recall['value']:.4f}{mark} [{recall['low']:.4f}, {recall['high']:.4f}]",
        f"{at['quality']['ndcg@10']['value']:.4f}",
        f"{loss['value']:.4f} [{loss['low']:.4f}, {loss['high']:.4f}]",
        f"{at['latency_ms']['p50']:.2f} / {at['latency_ms']['p95']:.2f}",
        f"{at['cpu_ms']['p50']:.2f}",
        _build(row),
    ]
    return (not reaches, sizes["ram_bytes_per_vector"], cells[0] + cells[1]), f"| {' | '.join(cells)} |"


def _remark(row: dict[str, Any], kind: str, target: float) -> str:
    """Say what is a default, and how far the knob goes where it cannot reach the target."""
    if kind == "target":
        return ""
    best = max(row["tried"], key=lambda record: record["mean"])
    if row["reached"] is None and best["low"] < target and best["setting"] != row["settings"][kind]["setting"]:
        reach = ", ".join(f"{name}={value}" for name, value in best["setting"].items())
        return f" (default; at most {best['mean']:.4f}, at {reach})"
    return " (default)"


def _build(row: dict[str, Any]) -> str:
    """Seconds of the one index; beside it those of the whole sweep that chose it."""
    sweep = row["details"].get("sweep_seconds")
    return f"{row['build_seconds']:.0f}" + (f" (whole sweep {sweep:.0f})" if sweep else "")


def _memory(memory: dict[str, Any]) -> str:
    ram, rescoring = memory["ram_bytes"] / 1e6, memory["rescoring_bytes"] / 1e6
    return f"{ram:.1f} + {rescoring:.1f}" if rescoring else f"{ram:.1f}"


def _short(error: str) -> str:
    return error.strip().splitlines()[-1].replace("|", "/")[:160]
