"""A sweep on an accelerator, played by torch on the CPU, and its run on a machine that has none."""

import importlib.metadata
import importlib.util
import json

import faiss
import numpy as np
import pytest

import ragopt
from ragopt import devices
from ragopt.devices import CPU, Device, Driver
from ragopt.errors import DeviceFull
from ragopt.index import trained
from ragopt.index.build import add_blocks
from ragopt.index.code_shard import write_shard
from ragopt.index.factory import parse_factory
from ragopt.index.joined_file import write_joined
from ragopt.index.torch_encoding import add_with_torch
from ragopt.report.faiss_lines import lines_of_run
from ragopt.report.provenance import provenance
from ragopt.report.words import reproduce_command
from ragopt.serve import run_device
from ragopt.serve.run_device import device_for_run
from ragopt.sweep import engine
from ragopt.sweep.run_folder import read_run
from ragopt.sweep.settings import ReadyVectors

GPU = Device("cuda", "cpu", "Stand-in", "asked for", "torch")
"""Torch trains, encodes and searches, on tensors of the CPU."""

GRID = """
[[grid]]
factories = ["PQ8np", "PQ16x4fs", "SQ8"]
[[grid]]
factories = ["IVF16,PQ8np"]
search = ["nprobe=8"]
[[grid]]
factories = ["PQ8np,Refine(SQ8)"]
search = ["k_factor_rf=4"]
"""


class Told:
    """Progress that keeps its notices."""

    def __init__(self):
        self.notices = []

    def phase(self, _name, _about):
        """Count nothing."""
        return lambda _done, _total: None

    def notice(self, text):
        """Keep it."""
        self.notices.append(text)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The same sweep by torch and by FAISS in one cache: folder, runs and what they told."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("device")
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(60, 32)) * np.linspace(2, 0.2, 32)
    drawn = (centres[rng.integers(0, 60, 3300)] + 0.4 * rng.normal(size=(3300, 32))).astype(np.float32)
    np.save(folder / "v.npy", drawn[:3000])
    np.save(folder / "q.npy", drawn[3000:])
    (folder / "grid.toml").write_text(GRID)
    runs, told = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        for name, device in (("torch", GPU), ("faiss", CPU)):
            patch.setattr(engine, "choose_device", lambda _asked, device=device: device)
            told[name] = Told()
            runs[name] = ragopt.sweep(
                ready=ReadyVectors(str(folder / "v.npy"), str(folder / "q.npy")), grid=str(folder / "grid.toml"),
                n_queries=100, confirm_queries=200, limits={"min_recall": 0.3}, cost_model="scan", objective="ram",
                out=folder / name, cache_dir=folder / "cache", progress=told[name],
            )  # fmt: skip
    return folder, runs, told


def recalls(run):
    return {str(one.trial): one.quality["recall_vs_exact@10"].value for one in run.trials if one.confirmed}


def test_the_device_and_its_reason_are_printed_and_kept(swept):
    """What was asked, chosen and why stands in the first notice and in run.json; both read back."""
    folder, runs, told = swept
    assert told["torch"].notices[0] == "device: cpu, Stand-in (--device cuda: asked for)"
    kept = json.loads((folder / "torch" / "run.json").read_text())["device"]
    assert kept == {"asked": "cuda", "name": "cpu", "label": "Stand-in", "why": "asked for", "trainer": "torch"}
    assert read_run(folder / "faiss").info["device"]["trainer"] == "faiss"
    assert runs["torch"].recommendation.status == "ok"


def test_what_torch_trains_is_an_artifact_of_its_own(swept):
    """Codecs of PQ are trained once by either; SQ8 and Flat, which FAISS has on every device, are shared."""
    folder, _, _ = swept
    kinds = [json.loads(path.read_text()) for path in (folder / "cache" / "codec").rglob("recipe.json")]
    by_factory = {}
    for recipe in kinds:
        by_factory.setdefault(recipe["factory"], set()).add(tuple(recipe.get("trainers", ["faiss"])))
    assert by_factory == {
        "PQ8np": {("torch",), ("faiss",)}, "PQ16x4fs": {("torch",), ("faiss",)},
        "IVF16,PQ8np": {("torch",), ("faiss",)}, "SQ8": {("faiss",)},
        "Flat": {("faiss",)},
    }  # fmt: skip


def test_both_find_as_much(swept):
    """On 200 queries of 3,000 vectors no built trial of torch is more than two points from that of FAISS.

    The promise of half a point is that of eval/results/2026-11-26-torch-training-cpu.json, on 22,067 vectors.
    """
    _, runs, _ = swept
    torch, by_faiss = recalls(runs["torch"]), recalls(runs["faiss"])
    assert torch.keys() == by_faiss.keys()
    assert max(abs(torch[name] - by_faiss[name]) for name in torch) < 0.02
    assert torch["vectors@32:none | SQ8"] == by_faiss["vectors@32:none | SQ8"]


def test_a_run_of_an_accelerator_is_built_here_by_the_same_trainer(swept, tmp_path):
    """On the CPU torch trains again what torch trained: the same codes, found or made anew, with a notice."""
    folder, _, _ = swept
    found, anew = Told(), Told()
    for told, cache, out in ((found, folder / "cache", "a"), (anew, tmp_path / "cache", "b")):
        built = ragopt.build(folder / "torch", out=tmp_path / out, trial="vectors@32:none | PQ8np", device="cpu",
                             cache_dir=cache, progress=told)  # fmt: skip
        assert built.trial == "vectors@32:none | PQ8np"
    assert anew.notices[0] == (
        "device: cpu (--device cpu: asked for; the run was swept on cpu, Stand-in: torch trains here as it did there)"
    )
    files = [next((tmp_path / out).rglob("*.faiss")) for out in ("a", "b")]
    first, second = (faiss.read_index(str(one)) for one in files)
    np.testing.assert_array_equal(faiss.vector_to_array(first.codes), faiss.vector_to_array(second.codes))


def test_the_report_says_where_and_the_lines_that_they_train_otherwise(swept):
    """Terminal, page and exported lines of a run by torch name the device; those of FAISS have no such line."""
    folder, _, _ = swept
    page = (folder / "torch" / "report.html").read_text()
    assert "<dt>Device</dt><dd>cpu, Stand-in (--device cuda: asked for)</dd>" in page
    run = read_run(folder / "torch")
    assert dict(provenance(run))["device"] == "cpu, Stand-in (--device cuda: asked for)"
    assert "--device auto" in reproduce_command(run)
    lines = lines_of_run(run, "vectors@32:none | PQ8np").splitlines()
    assert lines[0].startswith("# In the run 'torch' trained this index, on 'Stand-in': FAISS on the CPU finds other")
    assert lines_of_run(run, "vectors@32:none | SQ8").startswith("import faiss")
    assert lines_of_run(read_run(folder / "faiss"), "vectors@32:none | PQ8np").startswith("import faiss")


def test_without_torch_faiss_trains_and_says_so(swept, monkeypatch, tmp_path):
    """A machine without torch builds by FAISS, tells it, and the built index is measured against the run."""
    folder, _, _ = swept
    monkeypatch.setattr(run_device.importlib.util, "find_spec", lambda _name: None)
    told = Told()
    built = ragopt.build(folder / "torch", out=tmp_path / "index", trial="vectors@32:none | PQ8np", device="cpu",
                         cache_dir=tmp_path / "cache", progress=told)  # fmt: skip
    assert told.notices[0] == (
        "device: cpu (--device cpu: asked for; the run was swept on cpu, Stand-in, and torch is not installed here: "
        "FAISS trains instead)"
    )
    assert built.n_queries == 200


def test_a_run_of_the_cpu_keeps_its_trainer_on_an_accelerator(swept, monkeypatch):
    """Where a GPU is there now, neighbours may be looked for on it, but FAISS trains what FAISS trained."""
    folder, _, _ = swept
    monkeypatch.setattr(run_device, "choose_device", lambda _asked: Device("auto", "cuda:0", "GPU", "there", "torch"))
    device = device_for_run(read_run(folder / "faiss"))
    assert (device.name, device.trainer) == ("cuda:0", "faiss")
    assert device.why == "there; FAISS trains on the CPU, as for the run"


def test_a_run_before_devices_were_kept_takes_what_is_here(swept, monkeypatch):
    """Runs of earlier versions have no device in run.json; they were trained by FAISS."""
    folder, _, _ = swept
    run = read_run(folder / "faiss")
    info = {name: value for name, value in run.info.items() if name != "device"}
    monkeypatch.setattr(run_device, "choose_device", lambda _asked: Device("auto", "cuda:0", "GPU", "there", "torch"))
    assert device_for_run(ragopt.Run(run.folder, info, run.trials, run.recommendation)).trainer == "faiss"


def test_a_missing_device_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    """--device cuda on a machine without a GPU is an error that lists what is there; no folder is made."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("needs torch")
    monkeypatch.setattr(devices, "accelerator_driver", lambda: Driver(1, "a GPU with CUDA 12.4"))
    with pytest.raises(ragopt.RagoptError, match=r"no device 'cuda:9' on this machine"):
        ragopt.sweep("python-docs", device="cuda:9", out=tmp_path / "run", cache_dir=tmp_path / "cache")
    assert not (tmp_path / "run").exists()


def test_a_run_by_faiss_for_gpus_is_trained_by_faiss_here(swept):
    """Torch would be another trainer than the run's: FAISS on the CPU is nearest to its GPU code, and it is said."""
    folder, _, _ = swept
    run = read_run(folder / "faiss")
    kept = Device("cuda", "cuda:0", "", "asked for", "faiss-gpu").as_json()
    device = device_for_run(ragopt.Run(run.folder, {**run.info, "device": kept}, run.trials, run.recommendation), "cpu")
    assert (device.name, device.trainer) == ("cpu", "faiss")
    assert device.why.endswith("with FAISS's GPU code, which sees no GPU here: FAISS trains on the CPU instead")


def test_a_full_device_ends_a_sweep(swept, monkeypatch, tmp_path):
    """Left out like a codec that a corpus is too small for, its trials would make another recommendation."""
    folder, _, _ = swept

    def full(*_given, **_named):
        raise DeviceFull("cuda:0 has too little memory", next_step="Run on the CPU with --device cpu")

    monkeypatch.setattr(engine, "choose_device", lambda _asked: GPU)
    monkeypatch.setattr(trained, "train_with_torch", full)
    with pytest.raises(DeviceFull):
        ragopt.sweep(
            ready=ReadyVectors(str(folder / "v.npy"), str(folder / "q.npy")), grid=str(folder / "grid.toml"),
            n_queries=100, confirm_queries=200, limits={"min_recall": 0.3}, cost_model="scan",
            out=tmp_path / "run", cache_dir=tmp_path / "cache",
        )  # fmt: skip


def test_trainers_of_codes_and_tier_are_in_the_recipe():
    """Each part by its own trainer, with the version of torch where it trains one; nothing where FAISS trains both."""
    version = importlib.metadata.version("torch").partition("+")[0]

    def recipe(text):
        return trained.trainer_recipe(parse_factory(text, 32), GPU)

    assert recipe("PQ8np") == {"trainers": ["torch"], "torch": version}
    assert recipe("PQ8np,Refine(SQ8)") == {"trainers": ["torch", "faiss"], "torch": version}
    assert recipe("SQ8,Refine(PQ16np)") == {"trainers": ["faiss", "torch"], "torch": version}
    assert recipe("SQ8,Refine(SQfp16)") == {}


def test_an_accelerator_encodes_what_it_trained(monkeypatch):
    """Torch adds blocks of a factory that it trains on another device than the CPU; FAISS everything else."""
    there = Device("cuda", "cuda:0", "", "asked for", "torch")
    seen = []
    monkeypatch.setattr(
        trained, "add_with_torch", lambda index, blocks, *, device: seen.append((index, blocks, device))
    )
    trained.adder_on(there, parse_factory("IVF16,PQ8np", 32))("index", "blocks")
    assert seen == [("index", "blocks", "cuda:0")]
    assert trained.adder_on(there, parse_factory("SQ8", 32)) is add_blocks
    assert trained.adder_on(GPU, parse_factory("PQ8np", 32)) is add_blocks
    assert trained.adder_on(CPU, parse_factory("PQ8np", 32)) is add_blocks


@pytest.mark.parametrize("text", ["PQ8np", "IVF16,PQ8np", "PQ16x4fs", "IVF16,PQ16x4fs"])
def test_a_streamed_build_may_be_encoded_by_torch(text, tmp_path):
    """Shards that torch encodes, on tensors of the CPU, are joined into the file of codes that FAISS encodes."""
    rows = np.random.default_rng(2).normal(size=(1000, 32)).astype(np.float32)
    factory = parse_factory(text, 32)
    index = trained.train_on(GPU, factory, rows, metric="l2", seed=0)
    empty = faiss.serialize_index(index)
    folders = []
    for first in (0, 512):
        folder = tmp_path / str(first)
        folder.mkdir()
        write_shard(folder, empty, [(first, rows[first : first + 512])], first_row=first,
                    add=lambda one, blocks: add_with_torch(one, blocks, device="cpu"))  # fmt: skip
        folders.append(folder)
    with (tmp_path / "joined.faiss").open("wb") as out:
        write_joined(out, factory, empty, 1000, folders)
    add_blocks(index, [(0, rows)])
    assert (tmp_path / "joined.faiss").read_bytes() == faiss.serialize_index(index).tobytes()
