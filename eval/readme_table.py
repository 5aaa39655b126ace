"""Write the README's tables from eval/results/.

Usage: python eval/readme_table.py. The text between `<!-- measured -->` and `<!-- /measured -->` is replaced, and so is
that between `<!-- picture -->`, `<!-- frontier -->` and `<!-- serve -->` and their ends where a README has them.
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
    sweeps = {name: one for name, one in newest("*-sweep-*.json").items() if not name.startswith("sweep-speed")}
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
    """The README's comparison with what peers choose, from the newest result."""
    return of_plan("frontier")


def serve() -> str:
    """The README's comparison with peers that serve, from the newest result."""
    return of_plan("serve")


def of_plan(name: str) -> str:
    """Make a plan's table, `<name>_table` of `<name>_table.py`, from its newest result."""
    *_, path = sorted(RESULTS.glob(f"*-{name}.json"))
    # By path: the folder of these scripts is on no import path when a test loads this file.
    table = runpy.run_path(str(Path(__file__).parent / f"{name}_table.py"))[f"{name}_table"]
    return str(table(json.loads(path.read_text(encoding="utf-8"))))


def speed() -> str:
    """The README's comparison with a plain loop, and what the checks of estimate and race found."""
    results = sorted(newest("*-sweep-speed-*.json").values(), key=lambda result: result["data"]["n"])
    about = (
        "The default grid against a plain FAISS loop over the same trials, from stored vectors to recommendation, "
        "finalists and report included (`eval/sweep_speed.py`; a loop marked * was timed on some factories and "
        "scaled). Converged estimates are compared on the queries that they are of, 100 where a trial left early; the "
        "loop trains codebooks of its own, as FAISS does by default:"
    )
    lines = [
        about,
        "",
        "| vectors | trials | factories | ragopt s | loop s | ratio | estimate and loop differ: mean, largest |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        loop = result["loops"]["plain"]
        star = "" if loop["seconds_are"] == "measured" else "*"
        difference = result["recall_estimated_minus_built"]["plain"]["converged"]
        mean, largest = (100 * difference[name] for name in ("mean_absolute", "largest_absolute"))
        counts = result["counts"]
        lines.append(
            f"| {result['name']} | {counts['n_trials']} | {counts['n_factories']} | {result['ragopt']['seconds']:,.0f} "
            f"| {loop['seconds']:,.0f}{star} | {result['ratios']['plain']:.1f} | {mean:.2f}, {largest:.2f} points |"
        )
    races = [row for name in ("racing", "racing-candidates") for row in newest(f"*-{name}.json")[name]["rows"]]
    n_races, n_broken = sum(row["n_seeds"] for row in races), sum(row["n_promise_broken"] for row in races)
    check = newest("*-estimate-check-*.json")["estimate-check-squad22k-minilm"]
    after = (
        f"Of {n_races:,} races on real vectors {n_broken} dropped what the full sweep would have recommended "
        f"(`eval/racing_check.py`). {check_sentence(check)}"
    )
    return "\n".join([*lines, "", after])


def check_sentence(check: dict[str, Any]) -> str:
    """What the check that builds every trial found."""
    same, more = (check["differences"][rows] for rows in ("select", "finalist"))
    n_trials = sum(part["n_trials"] for part in same.values())
    largest, trained = (100 * max(part["largest_absolute"] for part in one.values()) for one in (same, more))
    return (
        f"Of {n_trials} trials that were built to check, none differed from its estimate by more than {largest:.2f} "
        f"points when trained on the same rows, by up to {trained:.1f} when trained on all, as finalists are "
        "(`eval/estimate_check.py`)."
    )


def picture() -> str:
    """The README's picture with its words, from the newest result of eval/readme_picture.py."""
    [one] = newest("*-readme-picture.json").values()
    recall, machine = one["recall_vs_exact"], one["machine"]
    kind = "synthetic queries" if recall["synthetic"] else "queries"
    name = f"recall_vs_exact@{recall['k']}"
    told = (
        f"{name} against USD per month, {one['counts']['n_trials']} trials; recommended: USD {one['usd_per_month']}, "
        f"float32 baseline: USD {one['baseline_usd_per_month']}"
    )
    trial = one["trial"].replace(" | ", "` `")
    return (
        f"![{told}](docs/frontier.png)\n\n"
        f"*The documentation of Python ({one['n_chunks']:,} chunks), billed as {one['n_vectors_billed']:,} vectors: "
        f"`{trial}` on {one['target']} for USD {one['usd_per_month']} a month instead of USD "
        f"{one['baseline_usd_per_month']} for float32 on {one['baseline_target']}. {name} is {recall['value']:.4f} "
        f"[{recall['low']:.4f}, {recall['high']:.4f}] on {recall['n_queries']:,} {kind}, measured over those chunks, "
        f"not over {one['n_vectors_billed'] / 1e6:g} million. `ragopt sweep python-docs --vectors-at-scale "
        f"{one['n_vectors_billed'] // 10**6}M`, {machine['n_cores']} cores ({machine['cpu']}); "
        "`eval/readme_picture.py`.*"
    )


def replaced(readme: str, name: str, make: Callable[[], str]) -> str:
    """Replace what stands between a pair of markers; a README without them is given back as it is."""
    pattern = f"<!-- {name} -->.*<!-- /{name} -->"
    if not re.search(pattern, readme, flags=re.DOTALL):
        return readme
    part = f"<!-- {name} -->\n{make()}\n<!-- /{name} -->"
    return re.sub(pattern, lambda _: part, readme, flags=re.DOTALL)


def readme_with_tables(readme: str) -> str:
    """Give the README with its measured parts made anew."""
    parts = {"picture": picture, "measured": tables, "speed": speed, "frontier": frontier, "serve": serve}
    for name, make in parts.items():
        readme = replaced(readme, name, make)
    return readme


def main() -> None:
    """Write the README."""
    path = ROOT / "README.md"
    path.write_text(readme_with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
