"""WordLlama: 256 static dimensions bundled in its wheel; the default model, offline and without torch."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

MODEL_NAME = "wordllama"
DIM = 256  # the one size that the wheel carries
TEXTS_PER_BATCH = 64  # wordllama's own default; larger batches gather more padded tokens than fit the processor cache


class WordLlamaEmbedder:
    """Mean of Matryoshka-trained token vectors (https://github.com/dleemiller/WordLlama), documents like queries.

    Tokenizer and weights come from the installed package; nothing is ever downloaded.

    Raises:
        InputError: the installed wordllama package lacks its weights or tokenizer.
    """

    name = MODEL_NAME
    dim = DIM
    device = "cpu"

    def __init__(self) -> None:
        spec = importlib.util.find_spec("wordllama")
        folders = spec.submodule_search_locations if spec else None
        if not folders:
            raise _broken("the package is not installed")
        folder = Path(next(iter(folders)))
        with _quiet_import():
            from wordllama import WordLlama  # noqa: PLC0415 - loaded when first used
        try:
            # Without cache_dir the loader looks for the bundled tokenizer in the user's home, then on the network.
            self._model: Any = WordLlama.load(dim=DIM, cache_dir=folder, disable_download=True)
        except FileNotFoundError as error:
            raise _broken(str(error)) from error
        self.identity: Mapping[str, str | int] = {
            "model": MODEL_NAME,
            "library": f"wordllama {importlib.metadata.version('wordllama')}",
            "weights_sha256": hashlib.sha256(self._model.embedding.tobytes()).hexdigest(),
            "tokenizer_sha256": hashlib.sha256(self._model.tokenizer.to_str().encode()).hexdigest(),
        }
        self.tokenizer: Tokenizer | None = _plain_copy(self._model.tokenizer)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts: float32 (n, 256), mean-pooled and not normalised; no text is cut."""
        vectors: NDArray[np.float32] = self._model.embed(list(texts), norm=False, batch_size=TEXTS_PER_BATCH)
        return vectors

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed questions as `embed_documents` does: the model has no prompts."""
        return self.embed_documents(texts)


def _plain_copy(tokenizer: Tokenizer) -> Tokenizer:
    """Copy a tokenizer without padding and truncation, so that token counts are the text's own."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - loaded when first used

    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    return copy


@contextlib.contextmanager
def _quiet_import() -> Iterator[None]:
    """Keep wordllama from taking over logging: it calls `logging.basicConfig(level=INFO)` when imported (0.4.0).

    `basicConfig` does nothing while the root logger has a handler.
    """
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def _broken(reason: str) -> InputError:
    return InputError(
        f"The bundled model {MODEL_NAME} cannot be loaded: {reason}",
        next_step="Run: pip install --force-reinstall wordllama",
    )
