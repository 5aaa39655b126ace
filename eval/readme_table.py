"""Write the README's tables from eval/results/.

Usage: python eval/readme_table.py. The text between `<!-- measured -->` and `<!-- /measured -->` is replaced, and so is
that between `<!-- frontier -->` and `<!-- /frontier -->` where a README has it.
"""

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"


def newest(pattern: str) -> dict[str, dict[str, Any]]:
    """Newest result of each name that matches, by name; file names begin with their date."""
    found = {}
    for path in sorted(RESULTS.glob(pattern)):
        found[path.stem[11:]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def sweep_row(name: str, result: dict[str, Any]) -> str:
    """One line of the table of whole sweeps."""
    recall_name = next(key for key in result["recommendation"]["quality"] if key.startswith("recall_vs_exact"))
    recall = result["recommendation"]["quality"][recall_name]
    model, factory, *search = result["recommendation"]["trial"].split(" | ")
    sizes = result["recommendation"]["index"]
    baseline = result["recommendation"]["baseline"]["ram_bytes_per_vector"]
    return (
        f"| {name} | {result['corpus']['n_chunks']:,} | {result['counts']['n_trials']} | {result['seconds'] / 60:.1f} "
        f"| {result['peak_anonymous_bytes'] / 1e6:,.0f} | `{model}` `{factory}` {' '.join(search)} "
        f"| {baseline:g} | {sizes['ram_bytes_per_vector']:g} + {sizes['disk_bytes_per_vector']:g} "
        f"| {recall['value']:.4f} [{recall['low']:.4f}, {recall['high']:.4f}] |"
    )


def tables() -> str:
    """The README's measured part."""
    sweeps = newest("*-sweep-*.json")
    machine = next(iter(sweeps.values()))["machine"]
    about = (
        f"Whole sweeps with an empty cache on {machine['n_cores']} shared cores ({machine['cpu']}), embedding "
        "included, for recall_vs_exact@10 of at least 0.95 (`eval/sweep_run.py`, results in `eval/results/`):"
    )
    head = ["corpus", "chunks", "trials", "minutes", "peak anonymous MB", "recommended", "float32 B"]
    head += ["code B + rescoring B", "recall_vs_exact@10"]
    lines = [
        about,
        "",
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
        *(sweep_row(name.removeprefix("sweep-"), result) for name, result in sweeps.items()),
        "",
        "Exact search on SciFact (BEIR test split, 300 queries), beside the published figure:",
        "",
        "| model | nDCG@10 | published (MTEB) |",
        "|---|---|---|",
    ]
    published = {"all-MiniLM-L6-v2": "0.6451"}
    for model in sweeps["sweep-scifact"]["models"]:
        figure = model["exact"]["ndcg@10"]
        shown = f"{figure['value']:.4f} [{figure['low']:.4f}, {figure['high']:.4f}]"
        lines.append(f"| {model['name']} | {shown} | {published.get(model['name'], '')} |")
    return "\n".join(lines)


def frontier() -> str:
    """The README's comparison with peers, from the newest result."""
    *_, path = sorted(RESULTS.glob("*-frontier.json"))
    # By path: the folder of these scripts is on no import path when a test loads this file.
    table = runpy.run_path(str(Path(__file__).parent / "frontier_table.py"))["frontier_table"]
    return str(table(json.loads(path.read_text(encoding="utf-8"))))


def replaced(readme: str, name: str, make: Callable[[], str]) -> str:
    """Replace what stands between a pair of markers; a README without them is given back as it is."""
    pattern = f"<!-- {name} -->.*<!-- /{name} -->"
    if not re.search(pattern, readme, flags=re.DOTALL):
        return readme
    part = f"<!-- {name} -->\n{make()}\n<!-- /{name} -->"
    return re.sub(pattern, lambda _: part, readme, flags=re.DOTALL)


def readme_with_tables(readme: str) -> str:
    """Give the README with its measured parts made anew."""
    return replaced(replaced(readme, "measured", tables), "frontier", frontier)


def main() -> None:
    """Write the README."""
    path = ROOT / "README.md"
    path.write_text(readme_with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
