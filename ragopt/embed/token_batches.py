"""Batches of like length with a bound on their tokens, padding included; out of memory halves the bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Rows = NDArray[np.int64]

MOST_TOKENS = {"cuda": 262_144, "mps": 8_192, "cpu": 4_096}
"""Tokens of a batch at most, by kind of device. CUDA: 1,024 texts of 256 tokens, which an H100 embedded 1.29 times as
fast as 256 of them (all-MiniLM-L6-v2, eval/results/2026-11-26-embedding-speed-h100.json). CPU: 0.60
to 0.96 of the time of 32 texts a batch (eval/results/2026-11-26-embedding-batches.json). Apple's GPUs: 32 texts of 256
tokens, the library's default batch; not measured there."""

FREE_SHARE = 0.5
"""Share of a device's free memory that a batch may fill by `bytes_per_token`; the rest is for what that leaves out."""

VALUES_PER_HIDDEN = 8
"""Vectors of the hidden size that a transformer's layer holds a token: input, its normalised copy, query, key, value,
context, output and sum (Vaswani 2017, section 3)."""

OUT_OF_MEMORY = ("out of memory", "ALLOC_FAILED")
"""How torch says so where it raises a plain RuntimeError: on Apple's GPUs, and from cuBLAS and cuDNN (torch 2.13)."""


class TokenBatches:
    """Forms batches under a bound that only ever falls.

    Attributes:
        budget: tokens of a batch, its texts times the longest of them.
    """

    def __init__(self, budget: int, *, free: Callable[[], None] | None = None) -> None:
        """Begin with `budget` tokens; `free` hands the memory of a failed batch back to the device."""
        self.budget = budget
        self._free = free or (lambda: None)

    def run(self, lengths: Rows, embed: Callable[[Rows], NDArray[np.float32]], *, dim: int) -> NDArray[np.float32]:
        """Embed texts in batches, longest first, so that the first batch is the one that may not fit.

        Args:
            lengths: int64 (n,) tokens of each text as the model reads it.
            embed: gives float32 (len(rows), dim), the vectors of the texts of these row numbers.
            dim: of the vectors.

        Returns:
            float32 (n, dim) in the order of `lengths`.

        Raises:
            InputError: the device has no memory for a single text.
        """
        order = np.argsort(-lengths, kind="stable")
        result = np.empty((len(lengths), dim), dtype=np.float32)
        done = 0
        while done < len(order):
            longest = max(1, int(lengths[order[done]]))
            rows = order[done : done + max(1, self.budget // longest)]
            vectors = self._tried(rows, embed)
            if vectors is not None:
                result[rows] = vectors
                done += len(rows)
                continue
            if len(rows) == 1:
                raise _too_long(longest)
            self.budget = longest * (len(rows) // 2)
            self._free()
        return result

    @staticmethod
    def _tried(rows: Rows, embed: Callable[[Rows], NDArray[np.float32]]) -> NDArray[np.float32] | None:
        # The error holds the frames and with them the tensors of the failed batch: it is gone before another is tried.
        try:
            return embed(rows)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            return None


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a device had too little memory, by the kind of error or by what it says."""
    import torch  # noqa: PLC0415 - loaded when first used

    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)


def bytes_per_token(config: Any, *, dim: int, longest: int, bytes_per_value: int) -> int:
    """Bytes that a transformer's layer holds for each token of a batch, where attention keeps all its scores.

    Args:
        config: the transformer's; sizes that it does not name are BERT's multiples of `dim`.
        dim: of the vectors.
        longest: tokens of the longest text.
        bytes_per_value: 4 for float32, 2 for half.

    >>> from types import SimpleNamespace
    >>> minilm = SimpleNamespace(hidden_size=384, intermediate_size=1536, num_attention_heads=12)
    >>> bytes_per_token(minilm, dim=384, longest=256, bytes_per_value=2)
    24576
    """
    hidden = getattr(config, "hidden_size", None) or dim
    # BERT (Devlin 2019, section 3): four times the hidden size between the two products, heads of 64 values.
    between = getattr(config, "intermediate_size", None) or 4 * hidden
    heads = getattr(config, "num_attention_heads", None) or max(1, hidden // 64)
    return int((VALUES_PER_HIDDEN * hidden + 2 * between + 2 * heads * longest) * bytes_per_value)


def token_budget(device: str, bytes_each: int) -> int:
    """Tokens that a batch may have: the most of this kind of device, less where CUDA says that little is free.

    Args:
        device: as torch writes it.
        bytes_each: see `bytes_per_token`.
    """
    kind = device.partition(":")[0]
    most = MOST_TOKENS[kind]
    if kind != "cuda":
        return most
    import torch  # noqa: PLC0415 - loaded when first used

    free = torch.cuda.mem_get_info(device)[0]
    return max(1, min(most, int(FREE_SHARE * free) // bytes_each))


def hand_back_memory(device: str) -> None:
    """Let a device have the memory that torch keeps for later."""
    import torch  # noqa: PLC0415 - loaded when first used

    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def _too_long(tokens: int) -> InputError:
    return InputError(
        f"The device has too little memory to embed one text of {tokens:,} tokens",
        allowed="texts that the model and one text's work leave room for",
        next_step="Cut shorter chunks with --chunk-tokens, free the device's memory, or use --device cpu",
    )
