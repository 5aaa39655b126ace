import json
import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT

pytest.importorskip("torch")


def test_every_stage_is_measured(tmp_path):
    """The script measures each stage by torch and by FAISS, finds the same neighbours, and says what it ran on."""
    given = ["--device", "cpu", "--sizes", "3k", "--train-rows", "600", "--queries", "20", "--out", str(tmp_path),
             "--factories", "PQ96x4fs", "IVF{nlist},PQ96x4fs"]  # fmt: skip
    command = [sys.executable, str(ROOT / "eval" / "device.py"), *given]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert answer.returncode == 0, answer.stderr
    assert "No accelerator is used" in answer.stdout
    (path,) = tmp_path.glob("*-device-cpu.json")
    result = json.loads(path.read_text())
    (size,) = result["sizes"]
    assert size["n"] == 3000
    assert [(row["stage"], row["by"]) for row in size["stages"]] == [
        ("generate", "torch"),
        *(("exact candidates", by) for by in ("torch fp32", "torch tf32", "torch bf16", "faiss")),
        *[("train", "torch"), ("train", "faiss"), ("encode", "torch"), ("build", "torch"), ("build", "faiss")] * 2,
    ]
    candidates = size["stages"][4]
    assert candidates["equal_neighbours"] == {"fp32": 1, "tf32": 1, "bf16": 1}
    assert [row["factory"] for row in size["recalls"]] == ["PQ96x4fs", "IVF64,PQ96x4fs"]
    assert {row["items"] for row in size["stages"] if row["stage"] == "train"} == {600}


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
