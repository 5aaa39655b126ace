"""The plain FAISS lines that rebuild a trial's index: numpy and faiss only, nothing of ragopt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.index.build import RESERVOIRS
from ragopt.index.factory import parse_factory

if TYPE_CHECKING:
    from ragopt.records import Metric, Trial


def plain_faiss_lines(trial: Trial, *, full_dim: int, metric: Metric, n_train: int, seed: int = 0, k: int = 10) -> str:
    """Write the Python lines that build and search this trial's index with plain FAISS.

    The lines read `vectors`, float32 (n, `full_dim`), and `queries`, float32 (m, `full_dim`): the model's own
    output. They leave `scores` and `ids`, both (m, k).

    Args:
        trial: what to rebuild.
        full_dim: dimension of the model's own vectors.
        metric: `cosine` normalises and takes inner products.
        n_train: rows that train the reduction and the codec at most.
        seed: of the run: it draws the training rows that the run drew.
        k: results asked for.
    """
    unit = metric == "cosine"
    faiss_metric = "METRIC_L2" if metric == "l2" else "METRIC_INNER_PRODUCT"
    lines = [
        "import faiss",
        "import numpy as np",
        "",
        f"# vectors: float32 (n, {full_dim}), queries: float32 (m, {full_dim}), from {trial.space.model!a}",
        "# The k-means inside starts from FAISS's own seed: the index is equivalent, its codes are not the same bytes.",
        f"n_train = min(len(vectors), {n_train})",
        f"drawn = np.random.default_rng({seed}).choice(len(vectors), size=n_train, replace=False, shuffle=False)",
        "picked = np.sort(drawn)",
        "sample = vectors[picked]",
        *_reduction_lines(trial, unit=unit),
        f"index = faiss.index_factory({trial.space.dim}, {trial.factory!a}, faiss.{faiss_metric})",
        "index.train(to_space(sample))",
        "index.add(to_space(vectors))",
    ]
    lines += _reservoir_lines(trial)
    if trial.search:
        lines.append(f"faiss.ParameterSpace().set_index_parameters(index, {trial.search!a})")
    lines.append(f"scores, ids = index.search(to_space(queries), {k})")
    return "\n".join(lines) + "\n"


def _reservoir_lines(trial: Trial) -> list[str]:
    factory = parse_factory(trial.factory, trial.space.dim)
    if not factory.codec.is_fast_scan or factory.nlist:
        return []
    lines = ["codes = faiss.downcast_index(index)"]
    if factory.refine:
        lines.append("codes = faiss.downcast_index(codes.base_index)")
    if factory.transform:
        lines.append("codes = faiss.downcast_index(codes.index)")
    return [
        *lines,
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
        ]
    rotated = reduction in ("pca", "joint")
    source = "unit(x)" if unit and rotated else "x"
    moved = f"{source} @ rotation" if rotated else f"{source}[:, :{dim}]" if reduction == "trunc" else source
    return [*lines, "", "def to_space(x):", f"    return {f'unit({moved})' if unit else moved}", ""]
