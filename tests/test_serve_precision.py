"""An index that an accelerator made in half precision, served and built on a machine that has none."""

from types import SimpleNamespace

import numpy as np
import pytest

from ragopt.artifacts import ArtifactStore
from ragopt.embed.precision import DTYPES, precision_called
from ragopt.errors import IndexFormatError, InputError
from ragopt.serve.embedder_check import check_embedder
from ragopt.serve.run_precision import as_swept
from ragopt.sweep.model_stage import corpus_recipe

BUILT = {"model": "m", "library": "sentence-transformers 6.2.0, torch 2.13.0+cu126", "dim": 8, "dtype": "torch.float16"}


class Embedder:
    """A model that can be held in any precision."""

    name, dim, device, tokenizer, half = "m", 8, "cpu", None, None

    def __init__(self, precision="fp32", **identity):
        self.identity = {**BUILT, "library": "sentence-transformers 6.2.0, torch 2.13.0", "dtype": DTYPES[precision],
                         **identity}  # fmt: skip

    def with_precision(self, precision):
        """Another one."""
        return Embedder(precision)

    def embed_documents(self, texts):
        """Nothing."""
        return np.zeros((len(texts), 8), np.float32)

    embed_queries = embed_documents


MANIFEST = SimpleNamespace(model=BUILT, full_dim=8)


def test_half_precision_and_another_build_of_torch_are_the_same_model():
    """What an accelerator embedded in float16 is served by float32 on a CPU, +cu126 by +cpu."""
    here, elsewhere = Embedder(), Embedder("fp16", library="sentence-transformers 6.2.0, torch 2.13.0+cpu")
    check_embedder(here, MANIFEST)
    check_embedder(elsewhere, MANIFEST)
    differ = [{key for key in BUILT if one.identity[key] != BUILT[key]} for one in (here, elsewhere)]
    assert differ == [{"library", "dtype"}, {"library"}]


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"library": "sentence-transformers 6.2.0, torch 2.14.0"}, "library"), ({"model": "n"}, "model"),
     ({"revision": "abc"}, "revision")],
)  # fmt: skip
def test_anything_else_that_differs_is_another_model(changed, named):
    """Another version, model or revision is refused by name."""
    with pytest.raises(IndexFormatError, match=f"{named} differ"):
        check_embedder(Embedder(**changed), MANIFEST)


def test_a_build_takes_the_runs_precision_where_its_vectors_are(tmp_path):
    """Vectors in the store are read in the run's float16; without them texts are embedded again, with a notice."""
    store, corpus = ArtifactStore(tmp_path), SimpleNamespace(chunks_key="c", chunks=SimpleNamespace(n_chunks=3))
    run = SimpleNamespace(info={"models": [{"name": "m", "dtype": "torch.float16"}]})
    told = []
    here = Embedder()
    assert as_swept(here, run, store, corpus, metric="ip", notice=told.append) is here
    assert told == [
        "the run embedded with weights of torch.float16, here they are torch.float32: texts are embedded again"
    ]
    store.get_or_make(corpus_recipe(corpus, Embedder("fp16"), "ip"), lambda folder: (folder / "x").write_text("there"))
    same = as_swept(here, run, store, corpus, metric="ip", notice=told.append)
    assert same.identity["dtype"] == "torch.float16"
    assert len(told) == 1


@pytest.mark.parametrize("models", [[{"name": "m", "dtype": "torch.float32"}], [{"name": "m"}], []])
def test_a_run_of_this_precision_or_of_none_changes_nothing(tmp_path, models):
    """Nothing is loaded again where precisions agree, nor for runs that were made before they were kept."""
    here = Embedder()
    run = SimpleNamespace(info={"models": models})
    assert as_swept(here, run, ArtifactStore(tmp_path), None, metric="ip", notice=None) is here


def test_precisions_by_their_dtype():
    """Three are known, and another is refused with them."""
    assert [precision_called(f"torch.{name}") for name in ("float32", "float16", "bfloat16")] == [
        "fp32",
        "fp16",
        "bf16",
    ]
    with pytest.raises(InputError, match=r"torch\.float64 are of no known precision"):
        precision_called("torch.float64")
