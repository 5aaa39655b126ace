"""The best rows of every query, kept on a device while blocks of a corpus pass by."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Literal

from ragopt.index.torch_blocks import MOST_ROWS
from ragopt.index.torch_loaded import load_torch
from ragopt.index.torch_memory import RowBudget, told_when_full
from ragopt.measure.neighbours import not_finite

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    Tensor = Any
    """A torch tensor; torch is not imported for types."""

Precision = Literal["fp32", "tf32", "bf16"]

ROUNDING = {"tf32": 6 * 2**-11, "bf16": 4 * 2**-8}
"""Bound on the error of an inner product over the product of both lengths (Cauchy-Schwarz). tf32 cuts both inputs to 11
bits, by up to 2 x 2^-11 each; bf16 rounds both and the result to 8 bits, by up to 2^-8 each; the rest is to spare."""

BYTES_PER_SCORE = 16
"""A float32 score, the marks of the rows that may count, and what torch.topk works in: twice the scores (2.13)."""


class DeviceScan:
    """The best rows of every query among those seen so far."""

    def __init__(
        self, queries: NDArray[np.float32], kept: int, *, l2: bool, device: Any, memory_bytes: int, precision: Precision
    ) -> None:
        """Copy the queries to the device.

        Args:
            queries: float32 (n_queries, dim).
            kept: rows kept of each query.
            l2: score by minus the squared distance instead of the inner product.
            device: a torch device or its name.
            memory_bytes: bound on one block and its scores; 0 asks the device. Halved whenever it runs out of memory.
            precision: of the first look at a block. What may count is scored again in float32, so that the result is
                that of `fp32`.

        Raises:
            InputError: the device has too little memory for the queries.
        """
        self._torch = torch = load_torch(f"Searching on the device {device}")
        self._kept, self._l2, self._precision = kept, l2, precision
        with told_when_full(device, f"{len(queries)} queries of {queries.shape[1]} dimensions"):
            self._queries = torch.tensor(queries, device=device)
            self._scores = torch.full((len(queries), 0), 0.0, device=device)
            self._rows = torch.empty((len(queries), 0), dtype=torch.int64, device=device)
        self._pending: Tensor = None
        row_bytes = len(queries) * BYTES_PER_SCORE + queries.shape[1] * 4 * 3
        asked = f"{len(queries)} queries with {kept} candidates each and one row of the corpus"
        self.budget = RowBudget(device, row_bytes, asked, memory_bytes=memory_bytes, most_rows=MOST_ROWS)

    def look(self, vectors: Tensor) -> None:
        """Queue the scores of a block, to be taken next; without the memory for them, nothing but ask for less."""
        n = len(vectors)
        if n <= self.budget.rows and not self.budget.fits(self._queue, vectors) and n > 1:
            self.budget.halve(n)

    def take(self, first: int, vectors: Tensor) -> None:
        """Keep what is best of a block, in smaller parts when the device runs out of memory.

        Args:
            first: row of the corpus that the block begins with.
            vectors: the block that `look` was called with last, or another if it has not been called since.

        Raises:
            InputError: a score is no number, or a single row does not fit.
        """
        self.budget.pieces(len(vectors), lambda part: self._take(first + part.start, vectors[part]))

    def _queue(self, vectors: Tensor) -> None:
        self._pending = self._first_look(vectors)

    def _take(self, first: int, vectors: Tensor) -> None:
        """Keep what is best of a few rows; when the device has too little memory, nothing changes."""
        # The scores are held here alone, so that they are free before fewer rows are tried.
        scores, self._pending = self._pending, None
        # Blocks that were halved after the look have scores of another shape.
        if scores is None or scores.shape[1] != len(vectors):
            scores = self._first_look(vectors)
        self._scores, self._rows = self._merged(first, vectors, scores)

    def result(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows and scores of every query, best first, ties by the lower row; the higher score the better."""
        scores = self._scores
        if self._l2:
            scores = 2 * scores - self._queries.square().sum(dim=1, keepdim=True)
        return self._rows.cpu().numpy(), scores.cpu().numpy()

    def _first_look(self, vectors: Tensor) -> Tensor:
        if not self._is_rough():
            return self._matrix(self._queries, vectors)
        torch = self._torch
        if self._precision == "bf16":
            with _sums_in_float32(torch):
                products = self._queries.to(torch.bfloat16) @ vectors.to(torch.bfloat16).T
            return products.to(torch.float32) + self._bias(vectors)
        with _tf32(torch):
            return self._matrix(self._queries, vectors)

    def _is_rough(self) -> bool:
        """Only rows that beat the worst one kept are scored again, so there has to be one."""
        return self._precision != "fp32" and self._scores.shape[1] == self._kept

    def _matrix(self, queries: Tensor, vectors: Tensor) -> Tensor:
        return self._torch.addmm(self._bias(vectors), queries, vectors.T)

    def _bias(self, vectors: Tensor) -> Tensor:
        """By l2 half the squared distance is left out of which the query's own length is part: it orders no rows."""
        if self._l2:
            return vectors.square().sum(dim=1)[None] * -0.5
        return self._torch.zeros(1, 1, device=vectors.device)

    def _merged(self, first: int, vectors: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """The best rows of those kept and a block's, and their scores."""
        torch = self._torch
        width = min(self._kept, scores.shape[1])
        if self._scores.shape[1] == self._kept:
            least = self._scores[:, -1:]
            if self._is_rough():
                least = least - self._rounding(vectors)
            # Equal scores count: the block may hold lower rows. So do values that are no numbers, to be found below.
            may_count = int((~(scores < least)).sum(dim=1).max())
            if self._is_rough():
                if may_count > width:
                    scores = self._matrix(self._queries, vectors)
                else:
                    return self._exactly(first, vectors, scores, may_count)
            width = min(width, may_count)
        if not width:
            return self._scores, self._rows
        values, places = _best(torch, scores, width)
        return self._joined(values, places + first)

    def _rounding(self, vectors: Tensor) -> Tensor:
        """Bound on the error of a rough score, float32 (n_queries, 1)."""
        longest = vectors.norm(dim=1).max()
        return ROUNDING[self._precision] * longest * self._queries.norm(dim=1, keepdim=True)

    def _exactly(self, first: int, vectors: Tensor, scores: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """Score the best `width` rows of a rough block again in float32."""
        torch = self._torch
        if not width:
            return self._scores, self._rows
        places = scores.topk(width, dim=1)[1]
        values = torch.empty(places.shape, device=scores.device)
        step = max(1, scores.numel() // (width * vectors.shape[1]))
        bias = self._bias(vectors).expand(1, len(vectors))[0]
        for start in range(0, len(places), step):
            some = places[start : start + step]
            products = torch.bmm(vectors[some], self._queries[start : start + step, :, None])[:, :, 0]
            values[start : start + step] = products + bias[some]
        return self._joined(values, places + first)

    def _joined(self, values: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        torch = self._torch
        if not bool(torch.isfinite(values).all()):
            raise not_finite()
        scores, rows = torch.cat([self._scores, values], dim=1), torch.cat([self._rows, rows], dim=1)
        # Sorted by row first, so that the stable sort by score breaks ties by the lower row.
        rows, order = rows.sort(dim=1)
        scores, order = scores.gather(1, order).sort(dim=1, descending=True, stable=True)
        return scores[:, : self._kept].contiguous(), rows.gather(1, order[:, : self._kept])


def _best(torch: Any, scores: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The `width` highest scores of each query with their places; of equal ones the lowest places."""
    n = scores.shape[1]
    values, places = scores.topk(min(width + 1, n), dim=1)
    if n == width:
        return values, places
    # torch.topk takes any of several equal scores, which matters where the last one that is taken equals the next.
    cut = values[:, width - 1 : width]
    tied = (cut[:, 0] == values[:, width]).nonzero()[:, 0]
    values, places = values[:, :width].contiguous(), places[:, :width].contiguous()
    for some in tied.split(max(1, len(scores) // 8)):  # an eighth, as counting takes more memory than scores do
        if len(some):
            theirs = scores[some]
            better, equal = theirs > cut[some], theirs == cut[some]
            left = width - better.sum(dim=1, keepdim=True)
            chosen = better | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= left))
            places[some] = chosen.nonzero()[:, 1].reshape(len(some), width)
            values[some] = theirs.gather(1, places[some])
    return values, places


@contextlib.contextmanager
def _tf32(torch: Any) -> Iterator[None]:
    """Let matrix products of the process round their inputs to 11 bits where the device can."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextlib.contextmanager
def _sums_in_float32(torch: Any) -> Iterator[None]:
    """Keep CUDA from adding up parts of a bfloat16 product in bfloat16, where `ROUNDING` would not hold."""
    products = torch.backends.cuda.matmul
    before = products.allow_bf16_reduced_precision_reduction
    products.allow_bf16_reduced_precision_reduction = False
    try:
        yield
    finally:
        products.allow_bf16_reduced_precision_reduction = before
