"""Measure the resident memory that a cachebox entry takes beyond its key and its payload.

Usage: python eval/cache_entry_bytes.py. Prints a table and writes eval/results/<date>-cache-entry-bytes.json.

Keys are 16 bytes, payloads Python bytes, each entry its own. A fresh process fills each cache; Linux only.
"""

import datetime as dt
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

from ragopt.sweep.run_info import machine, versions

ENTRIES = (500_000, 900_000, 1_000_000, 1_800_000)  # just above and below where the table doubles
PAYLOADS = (100, 1024)

FILL = """
import sys
import cachebox
def resident():
    return int(next(line for line in open("/proc/self/smaps_rollup") if line.startswith("Rss")).split()[1]) * 1024
cache = getattr(cachebox, sys.argv[1])(0)
before = resident()
for number in range(int(sys.argv[2])):
    cache[number.to_bytes(16, "little")] = bytes(int(sys.argv[3]))
print(resident() - before)
"""


def main() -> None:
    """Measure both policies at each number of entries and write the overheads."""
    rows = []
    for policy in ("LRU", "LFU"):
        for n in ENTRIES:
            for payload in PAYLOADS:
                arguments = [sys.executable, "-c", FILL, f"{policy}Cache", str(n), str(payload)]
                resident = int(subprocess.run(arguments, capture_output=True, check=True, text=True).stdout)
                overhead = round(resident / n - 16 - payload, 1)
                rows.append({"policy": policy, "entries": n, "payload_bytes": payload, "overhead_bytes": overhead})
                print(rows[-1])
    result = {
        "about": "resident bytes of an entry beyond a key of 16 bytes and its payload",
        "versions": {**versions(), "cachebox": importlib.metadata.version("cachebox")},
        "machine": machine(),
        "rows": rows,
    }
    today = dt.datetime.now(tz=dt.UTC).date()
    path = Path(__file__).parent / "results" / f"{today}-cache-entry-bytes.json"
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
