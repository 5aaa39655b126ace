"""What every embedding model looks like to the rest of ragopt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

Role = Literal["document", "query"]


class Embedder(Protocol):
    """A model that turns texts into vectors at its full dimension.

    Attributes:
        name: printed model name, the `model` part of a space; holds no ``|``.
        dim: full dimension of the vectors.
        device: where the model runs: `cpu`, `cuda:0`, `cuda:0, cuda:1`, `mps` or `remote`.
        identity: everything that the vectors depend on: model, library version, hash of the weights or revision,
            prompts, longest input, precision of the weights. It goes into artifact recipes, so a change of any value
            embeds again. The device is left out on purpose: it moves vectors by rounding only.
        tokenizer: the model's own tokenizer, without padding and truncation; None when the model does not show it.
    """

    @property
    def name(self) -> str:
        """Printed model name."""

    @property
    def dim(self) -> int:
        """Full dimension."""

    @property
    def device(self) -> str:
        """Where the model runs."""

    @property
    def identity(self) -> Mapping[str, str | int]:
        """Everything that the vectors depend on."""

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The model's own tokenizer, or None."""

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed passages: float32 (n, dim), as the model gives them."""

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed questions: float32 (n, dim), as the model gives them."""
