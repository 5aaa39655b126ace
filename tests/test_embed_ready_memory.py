"""Ready vectors are read a few blocks at a time, whatever file they lie in and however large its pieces are."""

import pytest

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
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=n)
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


@pytest.mark.parametrize("name", ["v.npy", "fortran.npy", "v.parquet", "v.arrow", "v.lance"])
def test_reading_holds_a_few_blocks(tmp_path, name):
    """150,000 x 256 float32 in one piece are 154 MB; reading all of them holds at most 70 MB more than before."""
    path = str(tmp_path / name)
    written = float(run_python(WRITE, path).stdout)
    total, more = map(float, run_python(READ, path).stdout.split())
    assert total == pytest.approx(written, abs=1e-3)
    assert more < 70e6
