"""Run `ragopt sweep` in a process of its own and write its seconds, memory and recommendation.

Usage: python eval/sweep_run.py NAME [arguments of ragopt sweep]. Writes eval/results/<date>-sweep-NAME.json.
Figures are of an empty cache unless --cache-dir names one.
"""

import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ragopt.sweep.run_folder import read_run


def main() -> None:
    """Sweep once and keep what matters."""
    name, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        cache = [] if "--cache-dir" in arguments else ["--cache-dir", str(Path(folder) / "cache")]
        began = time.perf_counter()
        command = [sys.executable, "-m", "ragopt", "sweep", *arguments, *cache, "--out", str(out), "--json"]
        done = subprocess.run(command, check=False, stdout=subprocess.PIPE)
        seconds = time.perf_counter() - began
        if done.returncode not in (0, 3):
            sys.exit(done.returncode)
        info = read_run(out).info
        recommendation = json.loads(done.stdout)
    kept = ("status", "trial", "index", "quality", "baseline", "saving_usd_per_month", "why")
    shown = {key: recommendation[key] for key in kept}
    shown["baseline"] = {"ram_bytes_per_vector": recommendation["baseline"]["ram_bytes_per_vector"]}
    corpus = {key: value for key, value in info["corpus"].items() if key != "source"}
    result = {
        "about": "one ragopt sweep, wall seconds of the whole process, started with an empty cache",
        "seconds": round(seconds, 1),
        "peak_anonymous_bytes": info["peak_anonymous_bytes"],
        "seconds_by_phase": info["seconds"],
        "corpus": corpus,
        "counts": info["counts"],
        "queries": {key: value for key, value in info["queries"].items() if key != "source"},
        "models": info["models"],
        "recommendation": shown,
        "versions": info["versions"],
        "machine": info["machine"],
    }
    today = dt.datetime.now(tz=dt.UTC).date()
    path = Path(__file__).parent / "results" / f"{today}-sweep-{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"{seconds:.1f} s, {info['peak_anonymous_bytes'] / 1e6:.0f} MB peak anonymous, {recommendation['trial']}")


if __name__ == "__main__":
    main()
