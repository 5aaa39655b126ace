"""Any sentence-transformers model, by hub name or local folder (extra `models`)."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np

from ragopt.embed.device_pool import DevicePool
from ragopt.embed.model_files import find_model
from ragopt.embed.precision import cast, half_worth_trying, transformer_config
from ragopt.embed.quiet_libraries import forget_empty_datasets, quiet_libraries
from ragopt.embed.token_batches import TokenBatches, bytes_per_token, hand_back_memory, token_budget
from ragopt.embed.token_lengths import TokenLengths, plain_tokenizer
from ragopt.embed.torch_devices import CPU, torch_devices
from ragopt.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from ragopt.embed.embedder import Role
    from ragopt.embed.precision import Precision

TEXTS_PER_CALL = 4096
"""Texts that an accelerator is best handed at once: four full batches of 256 tokens a text, one to two seconds of an
H100's work (eval/results/2026-11-26-embedding-speed-h100.json). Several devices are started at the first such call:
loading a model takes each of them longer than a small corpus."""

CALL_TEXTS_ON_CPU = 256
"""The same on a CPU: ten seconds and more of its work, after which progress should move."""

NO_LIMIT = 1 << 20
"""Tokens of a text whose model names no longest input, for the memory of a batch alone: more than any model reads."""

PROMPT_NAMES = {"query": ("query",), "document": ("document", "passage", "corpus")}
"""The names that the library looks for, in its order. It also sets an empty `document` prompt by itself and then
never gets to `passage` (6.2.0), so the first prompt that is not empty is named to it."""


class SentenceTransformerEmbedder:
    """A sentence-transformers model with its own prompts, longest input, pooling and truncation.

    Documents and queries get the prompts that the model names for them (`encode_document`, `encode_query`). The
    model's similarity function is ignored: the metric is the user's choice.

    Args:
        model: a local folder, or a name on the Hugging Face hub (looked up in the local cache first).
        device: see `ragopt.devices.choose_device`; `cuda` takes every CUDA device, by one process each.
        precision: of the weights; None leaves them as saved.
        devices: torch devices, by one process each, instead of `device`.

    Raises:
        MissingExtra: torch or sentence-transformers is not installed.
        InputError: there is no such model, it cannot be loaded or reached, or there is no such device.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str = "auto",
        precision: Precision | None = None,
        devices: Sequence[str] = (),
    ) -> None:
        if importlib.util.find_spec("sentence_transformers") is None or importlib.util.find_spec("torch") is None:
            raise MissingExtra.for_extra(f"The model {model}", "models")
        # Before torch is imported, which takes seconds: a misspelt name is told at once.
        source = find_model(model)
        self._given, self._precision = model, precision
        with quiet_libraries():
            self._devices = tuple(devices) or torch_devices(device)
            self._model = source.load(self._devices[0])
            if precision is not None:
                cast(self._model, precision)
        self.name = source.name
        self.device = ", ".join(self._devices)
        self.tokenizer: Tokenizer | None = plain_tokenizer(self._model)
        self._pool: DevicePool | None = None
        # One text tells the dimension as it comes out, the model's own `truncate_dim` included.
        self.dim = int(self._library_encode(["dimension"], "document").shape[1])
        most = int(self._model.max_seq_length or NO_LIMIT)
        self._lengths = TokenLengths(self.tokenizer, most=most)
        self._batches = self._token_batches(most)
        self.identity: Mapping[str, str | int] = self._describe(source.identity())

    @property
    def texts_per_call(self) -> int:
        """Texts that a call should hand over where there are more."""
        return CALL_TEXTS_ON_CPU if self._devices[0] == CPU else TEXTS_PER_CALL

    @property
    def token_budget(self) -> int:
        """Tokens of a batch now, padding included, in this process."""
        return self._batches.budget

    def n_tokens(self, texts: Sequence[str]) -> int:
        """Tokens of texts as documents, as the model reads them, without padding."""
        return int(self._lengths.of(texts, prompt=self._prompt("document")).sum())

    @property
    def half(self) -> Precision | None:
        """The half precision that is worth a check on this device; None on a CPU, or when the weights are half now."""
        return half_worth_trying(self._model, self._devices[0])

    def with_precision(self, precision: Precision) -> SentenceTransformerEmbedder:
        """Load the same model on the same devices, with weights of another precision.

        Raises:
            InputError: the model is no longer there.
        """
        return SentenceTransformerEmbedder(self._given, precision=precision, devices=self._devices)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed passages with the document prompt: float32 (n, dim) as the model gives them, cut at its max length.

        Raises:
            InputError: the device has no memory for one of the texts, or half precision no room for its values.
            WorkerError: one of several devices' processes ended.
        """
        return self._encode(list(texts), "document")

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed questions with the query prompt: float32 (n, dim) as the model gives them, cut at its max length.

        Raises:
            InputError: see `embed_documents`.
            WorkerError: see `embed_documents`.
        """
        return self._encode(list(texts), "query")

    def _encode(self, texts: list[str], role: Role) -> NDArray[np.float32]:
        if len(self._devices) > 1 and self._pool is None and len(texts) >= self.texts_per_call:
            # The first device's memory is for its own process from now on.
            self._model.to(CPU)
            hand_back_memory(self._devices[0])
            self._pool = DevicePool(self._given, self._devices, self._precision)
        if self._pool is None:
            return self._encode_here(texts, role)
        try:
            return self._pool.encode(texts, role, dim=self.dim)
        except BaseException:  # also Ctrl-C: the pool has closed itself
            self._pool = None
            raise

    def _encode_here(self, texts: list[str], role: Role) -> NDArray[np.float32]:
        vectors = self._batches.run(
            self._lengths.of(texts, prompt=self._prompt(role)),
            lambda rows: self._library_encode([texts[row] for row in rows.tolist()], role),
            dim=self.dim,
        )
        if self._precision in {"fp16", "bf16"} and not np.isfinite(vectors).all():
            row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
            raise InputError(
                f"The model {self.name} gives values beyond {self._precision} for the text that starts "
                f"{texts[row][:60]!r}",
                next_step="Embed in float32, as --device cpu does",
            )
        return vectors

    def _prompt_name(self, role: Role) -> str | None:
        return next((name for name in PROMPT_NAMES[role] if self._model.prompts.get(name)), None)

    def _prompt(self, role: Role) -> str:
        return self._model.prompts.get(self._prompt_name(role) or self._model.default_prompt_name) or ""

    def _library_encode(self, texts: list[str], role: Role) -> NDArray[np.float32]:
        """Embed one batch."""
        encode = self._model.encode_query if role == "query" else self._model.encode_document
        try:
            found: Any = encode(
                texts,
                prompt_name=self._prompt_name(role),
                batch_size=len(texts),
                device=self._devices[0],
                show_progress_bar=False,
            )
        finally:
            forget_empty_datasets()
        vectors: NDArray[np.float32] = found.astype("float32", copy=False)
        return vectors

    def _token_batches(self, longest: int) -> TokenBatches:
        first = self._devices[0]
        bytes_each = bytes_per_token(
            transformer_config(self._model),
            dim=self.dim,
            longest=longest,
            bytes_per_value=next(self._model.parameters()).dtype.itemsize,
        )
        return TokenBatches(token_budget(first, bytes_each), free=lambda: hand_back_memory(first))

    def _describe(self, source: Mapping[str, str]) -> dict[str, str | int]:
        import sentence_transformers  # noqa: PLC0415 - loaded when first used
        import torch  # noqa: PLC0415 - loaded when first used

        model = self._model
        prompts = {name: text for name, text in sorted(model.prompts.items()) if text}
        return {
            "model": self.name,
            # Without its local label, +cpu or +cu126: that names the device, which moves vectors by rounding only.
            "library": f"sentence-transformers {sentence_transformers.__version__}, "
            f"torch {torch.__version__.partition('+')[0]}",
            **source,
            "dim": self.dim,
            "max_length": int(model.max_seq_length or 0),  # 0: no limit
            "prompts": repr(prompts),
            "default_prompt": str(model.default_prompt_name or ""),
            "dtype": str(next(model.parameters()).dtype),
        }
