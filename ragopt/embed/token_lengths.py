"""How many tokens of a text a model reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer


class TokenLengths:
    """Counts tokens as a model reads them: with its prompt and special tokens, cut at its longest input."""

    def __init__(self, tokenizer: Tokenizer | None, *, most: int) -> None:
        """Count by `tokenizer`, at most `most`.

        Without a tokenizer a text counts as its UTF-8 bytes: no token of text is made of less than a byte.
        """
        self._tokenizer = tokenizer
        self._most = most

    def of(self, texts: Sequence[str], *, prompt: str = "") -> NDArray[np.int64]:
        """Count each text's tokens, with the prompt before it: int64 (n,)."""
        prompted = [prompt + text for text in texts]
        if self._tokenizer is None:
            counts = [len(text.encode()) for text in prompted]
        else:
            counts = [len(encoding.ids) for encoding in self._tokenizer.encode_batch_fast(prompted)]
        return np.minimum(np.array(counts, dtype=np.int64), self._most)


def plain_tokenizer(model: Any) -> Tokenizer | None:
    """Copy the model's fast tokenizer without padding and truncation; None when it has none."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - loaded when first used

    backend = getattr(getattr(model, "tokenizer", None), "backend_tokenizer", None)
    if backend is None:
        return None
    copy = Tokenizer.from_str(backend.to_str())
    copy.no_padding()
    copy.no_truncation()
    return copy
