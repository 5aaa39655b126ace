"""Ready vectors are read a few blocks at a time, whatever file they lie in and however large its pieces are."""

import numpy as np
import pyarrow as pa
import pytest

from ragopt.embed.ready_sources import open_source
from tests.helpers import run_python

WRITE = """
import sys
import lancedb, numpy as np, pyarrow as pa, pyarrow.parquet as pq
path, (n, dim) = sys.argv[1], (150_000, 256)
matrix = np.random.default_rng(0).random((n, dim), dtype=np.float32)
table = pa.table({"vec": pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), dim)})
if path.endswith(".npy"):
    np.save(path, np.asfortranarray(matrix) if "fortran" in path else matrix)
elif path.endswith(".parquet"):
    pq.write_table(table, path, row_group_size=n)
elif path.endswith(".arrow"):
    options = pa.ipc.IpcWriteOptions(compression="lz4" if "lz4" in path else None)
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=10_000 if "lz4" in path else n)
else:
    lancedb.connect(path.rpartition("/")[0]).create_table("v", table)
print(matrix.sum(dtype=np.float64))
"""

READ = """
import sys
from pathlib import Path
import lancedb, numpy as np, pyarrow.parquet
from ragopt.embed.ready_sources import open_source
from ragopt.measure.memory import PeakMemory
source, total = open_source(Path(sys.argv[1]), None), 0.0
with PeakMemory() as before:
    pass
with PeakMemory() as peak:
    for block in source.blocks():
        total += float(block.sum(dtype=np.float64))
print(total, peak.resident_bytes - before.resident_bytes)
"""


@pytest.mark.parametrize("name", ["v.npy", "fortran.npy", "v.parquet", "v.arrow", "lz4.arrow", "v.lance"])
def test_reading_holds_a_few_blocks(tmp_path, name):
    """150,000 x 256 float32 in one piece are 154 MB; reading all of them holds at most 100 MB more than before."""
    path = str(tmp_path / name)
    written = float(run_python(WRITE, path).stdout)
    total, more = map(float, run_python(READ, path).stdout.split())
    assert total == pytest.approx(written, abs=1e-3)
    assert more < 100e6


def test_a_compressed_arrow_file_says_what_it_holds(tmp_path):
    """Its largest batch is in memory whole, compressed and not, and counted twice; mapped batches are not."""
    matrix = np.tile(np.arange(64, dtype=np.float32), (3000, 1))
    table = pa.table({"vec": pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), 64), "other": range(3000)})
    for name, compression in (("plain", None), ("lz4", "lz4")):
        options = pa.ipc.IpcWriteOptions(compression=compression)
        path = tmp_path / f"{name}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema, options=options) as writer:
            writer.write_table(table, max_chunksize=2000)
    assert open_source(tmp_path / "plain.arrow", None).held_bytes == 0
    assert open_source(tmp_path / "lz4.arrow", None).held_bytes == 2 * 2000 * 64 * 4
