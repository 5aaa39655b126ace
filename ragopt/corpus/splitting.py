"""Cutting texts into pieces of a bounded number of tokens, on sentence and paragraph boundaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragopt.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CERTAINLY_LONG = 50
"""Characters per token above which counting is skipped: a text of that length is cut in any case, and some tokenizers
take time quadratic in the length of one text."""


@dataclass(frozen=True, slots=True)
class ChunkOptions:
    """How documents are cut.

    Attributes:
        chunk_tokens: most tokens in a chunk's text, the title not counted; None keeps documents whole (`--no-chunk`).
        chunk_overlap: most tokens that two neighbouring chunks share; whole sentences where they fit.
    """

    chunk_tokens: int | None = 256
    chunk_overlap: int = 32

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be cut to. Raises InputError."""
        if self.chunk_tokens is None:
            return
        if self.chunk_tokens < 1:
            raise InputError(
                f"--chunk-tokens {self.chunk_tokens} leaves nothing in a chunk",
                allowed="1 or more",
                next_step="Use --chunk-tokens 256, or --no-chunk to keep documents whole",
            )
        if not 0 <= self.chunk_overlap < self.chunk_tokens:
            raise InputError(
                f"--chunk-overlap {self.chunk_overlap} does not fit into chunks of {self.chunk_tokens} tokens",
                allowed=f"0 to {self.chunk_tokens - 1}",
                next_step="Lower --chunk-overlap or raise --chunk-tokens",
            )


class TextSplitter:
    """Cuts texts by the tokens of one tokenizer."""

    def __init__(self, tokenizer: Tokenizer, *, chunk_tokens: int, chunk_overlap: int) -> None:
        """Prepare to cut to `chunk_tokens` tokens with `chunk_overlap` shared; the tokenizer is not changed."""
        import semantic_text_splitter  # noqa: PLC0415 - loaded when first used
        from tokenizers import Tokenizer  # noqa: PLC0415 - loaded when first used

        # A model's tokenizer often truncates at the model's length: it would then count no text as too long.
        self._counter = Tokenizer.from_str(tokenizer.to_str())
        self._counter.no_truncation()
        self._counter.no_padding()
        self._chunk_tokens = chunk_tokens
        self._splitter = semantic_text_splitter.TextSplitter.from_huggingface_tokenizer(
            self._counter, chunk_tokens, chunk_overlap
        )

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Cut each text into pieces of at most `chunk_tokens` tokens, without white space at either end.

        A text that fits is one piece; a text without a word is one empty piece.
        """
        stripped = [text.strip() for text in texts]
        long = self._too_long(stripped)
        cut = iter(self._splitter.chunk_all([stripped[number] for number in long]))
        return [list(next(cut)) if number in long else [text] for number, text in enumerate(stripped)]

    def _too_long(self, texts: Sequence[str]) -> dict[int, None]:
        """Numbers of the texts with more than `chunk_tokens` tokens, ascending."""
        limit = self._chunk_tokens * CERTAINLY_LONG
        countable = [number for number, text in enumerate(texts) if len(text) <= limit]
        encodings = self._counter.encode_batch_fast([texts[number] for number in countable], add_special_tokens=False)
        fits = {
            number for number, found in zip(countable, encodings, strict=True) if len(found.ids) <= self._chunk_tokens
        }
        return {number: None for number in range(len(texts)) if number not in fits}
