"""The plain FAISS lines that rebuild a trial's index: numpy and faiss only, nothing of ragopt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.devices import CPU, Device
from ragopt.errors import ArtifactError
from ragopt.index.build import RESERVOIRS
from ragopt.index.factory import parse_factory
from ragopt.index.trained import trainer_recipe
from ragopt.sweep.billed import result_of
from ragopt.sweep.settings import CONFIRM_TRAIN_ROWS

if TYPE_CHECKING:
    from ragopt.index.factory import Factory
    from ragopt.records import Metric, Run, Trial

ROWS = (
    "# One row of vectors for each chunk of the run, in its order: of chunks with the same text the first alone.",
    "# A run over ready vectors takes each row of its file, in order.",
)
SAME_SIGNS = "rotation *= np.sign(rotation[np.abs(rotation).argmax(axis=0), np.arange(rotation.shape[1])])"
"""As `ragopt.embed.spaces.fit_rotation`: an axis and its opposite are the same to LAPACK, not to a codec's training."""
SEEDED = (
    "# Random starts are seeded as in the run: the codes are its codes, but for rounding, which differs with the",
    "# threads and the BLAS of a machine.",
)
SIGNS = (
    "# Rounding decides the sign of each axis of PCAR too, and a random rotation then mixes the axes: other codes and",
    "# other ids are possible, with a recall_vs_exact that differs from the run's by chance alone.",
)


def lines_of_run(run: Run, trial: str | None = None) -> str:
    """Write the lines that rebuild a trial of a finished run as its finalists are built: see `plain_faiss_lines`.

    Args:
        run: a finished run.
        trial: a printed trial of it; None is the recommended one.

    Raises:
        InputError: the run has no such trial.
        ArtifactError: ``run.json`` does not list the trial's model.
    """
    chosen = result_of(run, trial).trial
    models = [model for model in run.info["models"] if model["name"] == chosen.space.model]
    if not models:
        raise ArtifactError(
            f"The run {run.folder} has a trial of the model {chosen.space.model}, which its run.json does not list",
            next_step="Run the sweep again: the run folder does not fit together",
        )
    model = models[0]
    return _other_trainer(run, chosen) + plain_faiss_lines(
        chosen,
        full_dim=int(model["dim"]),
        metric=run.info["arguments"]["metric"],
        n_train=min(CONFIRM_TRAIN_ROWS, int(model["n_vectors"])),
        seed=int(run.info["arguments"].get("seed", 0)),
        k=int(run.info["k"]),
    )


def _other_trainer(run: Run, trial: Trial) -> str:
    """Say that these lines train otherwise than the run, where an accelerator trained it; empty elsewhere."""
    device = Device(**(run.info.get("device") or CPU.as_json()))
    if not trainer_recipe(parse_factory(trial.factory, trial.space.dim), device):
        return ""
    where = device.label or device.name
    return (
        f"# In the run {device.trainer!a} trained this index, on {where!a}: FAISS on the CPU finds other codebooks\n"
        "# of the same quality, and other codes. The index that `ragopt build` writes is the run's.\n"
    )


def plain_faiss_lines(trial: Trial, *, full_dim: int, metric: Metric, n_train: int, seed: int = 0, k: int = 10) -> str:
    """Write the Python lines that build and search this trial's index with plain FAISS.

    The lines read `vectors`, float32 (n, `full_dim`), and `queries`, float32 (m, `full_dim`): the model's own
    output. They leave `scores` and `ids`, both (m, k).

    Args:
        trial: what to rebuild.
        full_dim: dimension of the model's own vectors.
        metric: `cosine` normalises and takes inner products.
        n_train: rows that train the reduction and the codec at most.
        seed: of the run: it draws the training rows that the run drew, and is that of every random start.
        k: results asked for.
    """
    unit = metric == "cosine"
    faiss_metric = "METRIC_L2" if metric == "l2" else "METRIC_INNER_PRODUCT"
    lines = [
        "import faiss",
        "import numpy as np",
        "",
        f"# vectors: float32 (n, {full_dim}), queries: float32 (m, {full_dim}), from {trial.space.model!a}",
        *ROWS,
        *_equality_lines(trial),
        f"n_train = min(len(vectors), {n_train})",
        f"drawn = np.random.default_rng({seed}).choice(len(vectors), size=n_train, replace=False, shuffle=False)",
        "picked = np.sort(drawn)",
        "sample = vectors[picked]",
        *_reduction_lines(trial, unit=unit),
        f"index = faiss.index_factory({trial.space.dim}, {trial.factory!a}, faiss.{faiss_metric})",
        *_seed_lines(trial, seed),
        "index.train(to_space(sample))",
        "index.add(to_space(vectors))",
    ]
    lines += _reservoir_lines(trial)
    if trial.search:
        lines.append(f"faiss.ParameterSpace().set_index_parameters(index, {trial.search!a})")
    lines.append(f"scores, ids = index.search(to_space(queries), {k})")
    return "\n".join(lines) + "\n"


def _equality_lines(trial: Trial) -> list[str]:
    """What of the run these lines give back, and what rounding decides."""
    transform = parse_factory(trial.factory, trial.space.dim).transform
    return [*SEEDED, *SIGNS] if transform and transform.kind == "PCAR" else [*SEEDED]


def _path_lines(factory: Factory) -> list[str]:
    """From `index` to `codes`, the index of the first search, past a rescoring tier and a transform."""
    lines = ["codes = faiss.downcast_index(index)"]
    if factory.refine:
        lines.append("codes = faiss.downcast_index(codes.base_index)")
    if factory.transform:
        lines.append("codes = faiss.downcast_index(codes.index)")
    return lines


def _seed_lines(trial: Trial, seed: int) -> list[str]:
    """Give k-means, OPQ and graphs the seed of the run, as `ragopt.index.seeding.seed_training` does."""
    factory = parse_factory(trial.factory, trial.space.dim)
    family, lines = factory.codec.family.removesuffix("fs"), []
    if factory.transform and factory.transform.kind == "OPQ":
        outer = "faiss.downcast_index(faiss.downcast_index(index).base_index)" if factory.refine else "index"
        lines += [
            f"opq = faiss.downcast_VectorTransform(faiss.downcast_index({outer}).chain.at(0))",
            "seeded = faiss.ProductQuantizer(opq.d_out, opq.M, 8)",
            f"seeded.cp.seed = {seed}",
            "opq.pq = seeded",
        ]
    if factory.nlist:
        lines.append(f"codes.cp.seed = {seed}")
    if factory.is_graph:
        lines += [f"codes.hnsw.rng = faiss.RandomGenerator({seed})", "codes = faiss.downcast_index(codes.storage)"]
    if family in ("PQ", "RQ"):
        lines.append(f"codes.{family.lower()}.cp.seed = {seed}")
    if family == "PRQ":
        lines += [
            "for split in range(codes.prq.nsplits):",
            f"    faiss.downcast_AdditiveQuantizer(codes.prq.subquantizer(split)).cp.seed = {seed}",
        ]
    if factory.refine and factory.refine.family == "PQ":
        lines.append(f"faiss.downcast_index(faiss.downcast_index(index).refine_index).pq.cp.seed = {seed}")
    return [*_path_lines(factory), *lines] if lines else []


def _reservoir_lines(trial: Trial) -> list[str]:
    factory = parse_factory(trial.factory, trial.space.dim)
    if not factory.codec.is_fast_scan or factory.nlist:
        return []
    return [
        *_path_lines(factory),
        f"codes.implem = {RESERVOIRS}  # FAISS 1.15.1 can lose results of a batch with its default up to k = 20",
    ]


def _reduction_lines(trial: Trial, *, unit: bool) -> list[str]:
    dim, reduction = trial.space.dim, trial.space.reduction
    lines = []
    if unit:
        lines += ["", "def unit(x):", "    return x / np.linalg.norm(x, axis=1, keepdims=True)"]
    if reduction == "pca":
        sample = "unit(sample)" if unit else "sample"
        lines += [
            "",
            "# A rotation to the principal axes without subtracting the mean: inner products survive it.",
            f"moments = {sample}.astype(np.float64)",
            f"rotation = np.linalg.eigh(moments.T @ moments)[1][:, ::-1][:, :{dim}].astype(np.float32)",
            SAME_SIGNS,
        ]
    if reduction == "joint":
        documents, asked = ("unit(sample)", "unit(fit_queries)") if unit else ("sample", "fit_queries")
        lines += [
            "",
            "# fit_queries: float32 (m, dim), the queries that the run fitted on and measured nothing on.",
            "# A rotation to the axes of documents and queries together, without subtracting means.",
            f"both = [part.astype(np.float64) for part in ({documents}, {asked})]",
            "moment = sum(part.T @ part / np.sum(part**2) for part in both)",
            f"rotation = np.linalg.eigh(moment)[1][:, ::-1][:, :{dim}].astype(np.float32)",
            SAME_SIGNS,
        ]
    rotated = reduction in ("pca", "joint")
    source = "unit(x)" if unit and rotated else "x"
    moved = f"{source} @ rotation" if rotated else f"{source}[:, :{dim}]" if reduction == "trunc" else source
    return [*lines, "", "def to_space(x):", f"    return {f'unit({moved})' if unit else moved}", ""]
