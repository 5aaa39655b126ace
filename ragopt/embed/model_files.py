"""Where a sentence-transformers model lies: a local folder, the hub's cache or the hub, and how it is loaded."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ragopt.errors import InputError

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", re.ASCII)
DEFAULT_ORGANISATION = "sentence-transformers"  # where the library itself looks for a name without a slash
HUB_TIMEOUT_S = 10.0  # one question before the library's own five slow retries
MARKER_FILES = ("modules.json", "config.json", "config_sentence_transformers.json")
NOT_CONTENT = (".md", ".gitattributes", ".png", ".jpg")  # files of a model folder that no vector depends on
HASH_READ_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model was found.

    Attributes:
        given: as the user named it. name: as it is printed: a folder as its last part.
        folder: of a local model; None for one of the hub.
        revision: commit of the hub's cached copy; empty when it is still to be downloaded.
    """

    given: str
    name: str
    folder: Path | None = None
    revision: str = ""

    def load(self, device: str) -> Any:
        """Load the model onto a torch device: a sentence-transformers model.

        Raises:
            InputError: it cannot be loaded, or not be reached.
        """
        if self.folder is not None:
            return _load(str(self.folder), device, local_files_only=True)
        return _load_from_hub(self.given, self.revision, device)

    def identity(self) -> dict[str, str]:
        """What tells this model's weights from others, once it is loaded."""
        if self.folder is not None:
            return {"files_sha256": _folder_hash(self.folder)}
        return {"revision": _cached_revision(_repo(self.given))}


def find_model(model: str) -> ModelSource:
    """Find a model by folder or hub name, before torch is imported, which takes seconds.

    Raises:
        InputError: it is neither a model folder nor, as far as can be told now, one of the hub.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        _check_folder(folder)
        return ModelSource(model, folder.absolute().name, folder)
    return ModelSource(model, model, revision=_find_on_hub(model))


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


def _load_from_hub(model: str, revision: str, device: str) -> Any:
    """Load from the local cache when the model is there whole, else download it."""
    from huggingface_hub import constants  # noqa: PLC0415 - loaded when first used

    if revision:
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
