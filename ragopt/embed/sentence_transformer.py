"""Any sentence-transformers model, by hub name or local folder (extra `models`)."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import logging
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from ragopt.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

TEXTS_PER_BATCH = 32  # the library's default; `embed_to_store` hands over texts of like length
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", re.ASCII)
DEFAULT_ORGANISATION = "sentence-transformers"  # where the library itself looks for a name without a slash
HUB_TIMEOUT_S = 10.0  # one question before the library's own five slow retries
PROMPT_NAMES = {"query": ("query",), "document": ("document", "passage", "corpus")}
"""The names that the library looks for, in its order. It also sets an empty `document` prompt by itself and then
never gets to `passage` (6.2.0), so the first prompt that is not empty is named to it."""

MARKER_FILES = ("modules.json", "config.json", "config_sentence_transformers.json")
NOT_CONTENT = (".md", ".gitattributes", ".png", ".jpg")  # files of a model folder that no vector depends on
HASH_READ_BYTES = 1 << 22
NOISY_LOGGERS = ("sentence_transformers", "transformers", "huggingface_hub")


class SentenceTransformerEmbedder:
    """A sentence-transformers model with its own prompts, longest input, pooling and truncation.

    Documents and queries get the prompts that the model names for them (`encode_document`, `encode_query`). The
    model's similarity function is ignored: the metric is the user's choice.

    Args:
        model: a local folder, or a name on the Hugging Face hub (looked up in the local cache first).
        device: `auto` (cuda, then mps, then cpu) or a torch device.

    Raises:
        MissingExtra: torch or sentence-transformers is not installed.
        InputError: there is no such model, it cannot be loaded or reached, or there is no such device.
    """

    def __init__(self, model: str, *, device: str = "auto") -> None:
        if importlib.util.find_spec("sentence_transformers") is None or importlib.util.find_spec("torch") is None:
            raise MissingExtra.for_extra(f"The model {model}", "models")
        folder = Path(model).expanduser()
        is_folder = folder.is_dir()
        # Before torch is imported, which takes seconds: a misspelt name is told at once.
        revision = ""
        if is_folder:
            _check_folder(folder)
        else:
            revision = _find_on_hub(model)
        with _quiet_libraries():
            self.device = _choose_device(device)
            if is_folder:
                self.name = folder.absolute().name
                self._model = _load(str(folder), self.device, local_files_only=True)
                source = {"files_sha256": _folder_hash(folder)}
            else:
                self.name = model
                self._model = _load_from_hub(model, revision, self.device)
                source = {"revision": _cached_revision(_repo(model))}
            # One text tells the dimension as it comes out, the model's own `truncate_dim` included.
            self.dim = int(self._encode(["dimension"], "document").shape[1])
        self.identity: Mapping[str, str | int] = self._describe(source)
        self.tokenizer: Tokenizer | None = _plain_tokenizer(self._model)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed passages with the document prompt: float32 (n, dim) as the model gives them, cut at its max length."""
        return self._encode(texts, "document")

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed questions with the query prompt: float32 (n, dim) as the model gives them, cut at its max length."""
        return self._encode(texts, "query")

    def _encode(self, texts: Sequence[str], role: str) -> NDArray[np.float32]:
        encode = self._model.encode_query if role == "query" else self._model.encode_document
        prompt_name = next((name for name in PROMPT_NAMES[role] if self._model.prompts.get(name)), None)
        try:
            found: Any = encode(
                list(texts), prompt_name=prompt_name, batch_size=TEXTS_PER_BATCH, show_progress_bar=False
            )
        finally:
            _forget_empty_datasets()
        vectors: NDArray[np.float32] = found.astype("float32", copy=False)
        return vectors

    def _describe(self, source: Mapping[str, str]) -> dict[str, str | int]:
        import sentence_transformers  # noqa: PLC0415 - loaded when first used
        import torch  # noqa: PLC0415 - loaded when first used

        model = self._model
        prompts = {name: text for name, text in sorted(model.prompts.items()) if text}
        return {
            "model": self.name,
            "library": f"sentence-transformers {sentence_transformers.__version__}, torch {torch.__version__}",
            **source,
            "dim": self.dim,
            "max_length": int(model.max_seq_length or 0),  # 0: no limit
            "prompts": repr(prompts),
            "default_prompt": str(model.default_prompt_name or ""),
            "dtype": str(next(model.parameters()).dtype),
        }


def _choose_device(device: str) -> str:
    import torch  # noqa: PLC0415 - loaded when first used

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda:0"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    present = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        present.append("mps")
    wanted = "cuda:0" if device == "cuda" else device
    if wanted not in present:
        raise InputError(
            f"There is no device {device!r} on this machine",
            allowed=f"auto, {', '.join(present)}",
            next_step="Choose one of these with --device, or install a torch build for your accelerator",
        )
    return wanted


def _load(source: str, device: str, **options: Any) -> Any:
    """Load a model, turning the many ways in which a folder can be wrong into one InputError."""
    from safetensors import SafetensorError  # noqa: PLC0415 - loaded when first used
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - loaded when first used

    try:
        return SentenceTransformer(source, device=device, **options)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ImportError,
        RuntimeError,
        SafetensorError,
    ) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"Cannot load the model {source}: {lines[0].rstrip('.')}",
            allowed="a model saved by sentence-transformers or transformers that runs no code of its own",
            next_step="Check the folder or name, or download the model again",
        ) from error


def _check_folder(folder: Path) -> None:
    if not any((folder / name).is_file() for name in MARKER_FILES):
        raise InputError(
            f"The folder {folder} holds no embedding model",
            allowed=f"a folder with one of {', '.join(MARKER_FILES)}",
            next_step="Give the folder that SentenceTransformer.save wrote, or a hub name",
        )


def _repo(model: str) -> str:
    return model if "/" in model else f"{DEFAULT_ORGANISATION}/{model}"


def _find_on_hub(model: str) -> str:
    """Return the commit of the cached copy, or an empty string when the hub has the model."""
    from huggingface_hub import constants  # noqa: PLC0415 - loaded when first used

    if not HUB_NAME.fullmatch(model):
        raise unknown_model(model, "it is neither a folder nor a hub name")
    revision = _cached_revision(_repo(model))
    if not revision:
        if constants.HF_HUB_OFFLINE:
            raise unknown_model(model, "it is not in the local cache and HF_HUB_OFFLINE is set")
        _ask_hub(model)
    return revision


def _load_from_hub(model: str, cached_revision: str, device: str) -> Any:
    """Load from the local cache when the model is there whole, else download it."""
    from huggingface_hub import constants  # noqa: PLC0415 - loaded when first used

    if cached_revision:
        try:
            return _load(_repo(model), device, local_files_only=True)
        except InputError:  # a download that was interrupted leaves part of a model
            if constants.HF_HUB_OFFLINE:
                raise
            _ask_hub(model)
    return _load(_repo(model), device)


def _cached_revision(repo: str) -> str:
    """Commit of the cached copy of a hub model; empty when it is not cached."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - loaded when first used

    folder = os.environ.get("SENTENCE_TRANSFORMERS_HOME")  # where the library looks before the hub's own cache
    for name in MARKER_FILES:
        path = try_to_load_from_cache(repo, name, cache_dir=folder)
        if isinstance(path, str):
            return Path(path).parent.name
    return ""


def _ask_hub(model: str) -> None:
    """Ask once, with a short time limit, whether the hub is there and knows the model."""
    from huggingface_hub import constants, get_token  # noqa: PLC0415 - loaded when first used

    endpoint = constants.ENDPOINT
    token = get_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.get(
            f"{endpoint}/api/models/{_repo(model)}", headers=headers, timeout=HUB_TIMEOUT_S, follow_redirects=True
        )
    except httpx.HTTPError as error:
        raise unknown_model(model, f"it is not in the local cache and {endpoint} cannot be reached ({error})") from None
    if answer.status_code in {401, 403, 404}:
        raise unknown_model(model, f"{endpoint} has no such model, or not for you (HTTP {answer.status_code})")


def unknown_model(model: str, reason: str) -> InputError:
    """Build the error that lists which models there are."""
    return InputError(
        f"Unknown model {model!r}: {reason}",
        allowed="wordllama, openai:MODEL, a sentence-transformers name like all-MiniLM-L6-v2, or a local model folder",
        next_step="Check the spelling, or give --model wordllama, which works offline",
    )


def _folder_hash(folder: Path) -> str:
    """SHA-256 over names and bytes of everything in a model folder that its vectors may depend on."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.suffix.lower() not in NOT_CONTENT:
            digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as handle:
                while piece := handle.read(HASH_READ_BYTES):
                    digest.update(piece)
    return digest.hexdigest()


def _plain_tokenizer(model: Any) -> Tokenizer | None:
    """Copy the model's fast tokenizer without padding and truncation; None when it has none."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - loaded when first used

    backend = getattr(getattr(model, "tokenizer", None), "backend_tokenizer", None)
    if backend is None:
        return None
    copy = Tokenizer.from_str(backend.to_str())
    copy.no_padding()
    copy.no_truncation()
    return copy


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Hold back notices and progress bars of the libraries while a model loads, and restore them afterwards."""
    # By name, because its functions carry no types.
    transformers_logging: Any = importlib.import_module("transformers.utils.logging")
    loggers = [logging.getLogger(name) for name in NOISY_LOGGERS]
    levels = [logger.level for logger in loggers]
    bar_was_on = transformers_logging.is_progress_bar_enabled()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bar_was_on:
            transformers_logging.enable_progress_bar()
        _forget_empty_datasets()


def _forget_empty_datasets() -> None:
    """Undo the import of a mere folder named ``datasets``.

    sentence-transformers tries `import datasets`. Where that package is absent and the working folder, being on the
    path, holds a folder of that name, the import gives an empty module, and lancedb (0.40) fails when it sees it.
    """
    module = sys.modules.get("datasets")
    if module is not None and getattr(module, "__file__", None) is None:
        del sys.modules["datasets"]
