"""From the name that a user typed to the model."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.errors import InputError
from ragopt.records import TRIAL_SEPARATOR

if TYPE_CHECKING:
    from ragopt.embed.embedder import Embedder

WORDLLAMA = "wordllama"
OPENAI_PREFIX = "openai:"
NAME_CHARS = 255  # the longest part of a path (NAME_MAX on Linux and macOS); longer ones make the system calls fail
LIKENESS = 0.75  # difflib's ratio: one or two wrong letters in `wordllama` stay above, other model names below


def open_embedder(model: str, *, device: str = "auto") -> Embedder:
    """Open an embedding model.

    Args:
        model: `wordllama`; `openai:MODEL` for an OpenAI-compatible endpoint named by the environment variables
            OPENAI_BASE_URL and OPENAI_API_KEY (the key may be left out for a server on this machine); a local folder
            or a hub name of a sentence-transformers model. A folder is printed as its last part.
        device: of a sentence-transformers model, see `ragopt.devices.choose_device`; `cuda` takes every CUDA device, by
            one process each. The others have no choice.

    Raises:
        InputError: no such model, or it cannot be loaded or reached.
        MissingExtra: the model needs the extra `models`.
        EmbeddingServiceError: the endpoint does not answer.
    """
    _check_name(model)
    if model == WORDLLAMA:
        from ragopt.embed.wordllama import WordLlamaEmbedder  # noqa: PLC0415 - loaded when first used

        return WordLlamaEmbedder()
    if model.startswith(OPENAI_PREFIX) and len(model) > len(OPENAI_PREFIX):
        from ragopt.embed.openai_http import OpenAIEmbedder  # noqa: PLC0415 - loaded when first used

        return OpenAIEmbedder(model.removeprefix(OPENAI_PREFIX))
    from ragopt.embed.model_files import unknown_model  # noqa: PLC0415 - loaded when first used
    from ragopt.embed.sentence_transformer import SentenceTransformerEmbedder  # noqa: PLC0415 - loaded when first used

    if not Path(model).expanduser().is_dir():
        if difflib.get_close_matches(model.lower(), [WORDLLAMA], cutoff=LIKENESS):
            raise unknown_model(model, f"did you mean {WORDLLAMA}?")
        if model.startswith((".", "~", os.sep)) or model.count("/") > 1:
            raise unknown_model(model, "there is no such folder")
        if ":" in model:
            raise unknown_model(model, f"only {OPENAI_PREFIX}MODEL has a colon")
    return SentenceTransformerEmbedder(model, device=device)


def _check_name(model: str) -> None:
    if max(map(len, model.split("/"))) > NAME_CHARS:
        raise InputError(
            f"The model name {model[:20]}... has a part of more than {NAME_CHARS} characters",
            next_step="Check the spelling",
        )
    folder = Path(model).expanduser()
    # An empty path means the working folder to pathlib; an empty name is a mistake.
    printed = folder.absolute().name if model and folder.is_dir() else model
    bar = TRIAL_SEPARATOR.strip()
    if bar in printed or not printed.isprintable() or not printed.strip() or printed != printed.strip():
        raise InputError(
            f"The model name {printed!r} cannot be printed in a trial and read back",
            allowed=f"printable characters without {bar} and without spaces at either end",
            next_step="Rename the folder, or link to it under another name",
        )
