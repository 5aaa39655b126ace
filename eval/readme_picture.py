"""Draw the README's picture from a run and keep the figures that stand beside it.

Usage: python eval/readme_picture.py RUN, where RUN is the folder of
`ragopt sweep python-docs --vectors-at-scale 50M --out RUN`. It writes docs/frontier.png, 1,200 by 675 pixels, and
eval/results/<date>-readme-picture.json; eval/readme_table.py then writes the words beneath the picture.
"""

import datetime as dt
import json
import sys
from pathlib import Path

import ragopt
from ragopt.report.charts import frontier_picture
from ragopt.report.pictures import png_bytes
from ragopt.report.words import reproduce_command

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "frontier.png"


def main() -> None:
    """Draw and record."""
    run = ragopt.Run.read(sys.argv[1])
    PICTURE.write_bytes(png_bytes(frontier_picture(run), scale=1))
    chosen = run.recommendation
    quality = chosen.quality[f"recall_vs_exact@{run.info['k']}"]
    found = {
        "command": reproduce_command(run),
        "trial": str(chosen.trial),
        "target": chosen.target,
        "usd_per_month": str(chosen.bill.usd_per_month),
        "baseline_usd_per_month": str(chosen.baseline_bill.usd_per_month),
        "baseline_target": chosen.baseline_bill.target,
        "recall_vs_exact": {"k": run.info["k"], "value": quality.value, "low": quality.low, "high": quality.high,
                            "n_queries": quality.n_queries, "synthetic": chosen.synthetic_queries},
        "n_vectors_billed": run.info["workload"]["n_vectors"],
        "n_chunks": run.info["corpus"]["n_chunks"],
        "counts": run.info["counts"],
        "versions": run.info["versions"],
        "machine": run.info["machine"],
    }  # fmt: skip
    day = dt.datetime.now(tz=dt.UTC).date()
    path = ROOT / "eval" / "results" / f"{day}-readme-picture.json"
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"{PICTURE.name} and {path.name} written; now run eval/readme_table.py")


if __name__ == "__main__":
    main()
