"""Whether a model that is open is the one that a version's vectors were made with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ragopt.errors import IndexFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ragopt.embed.embedder import Embedder
    from ragopt.serve.manifest import Manifest


def check_embedder(embedder: Embedder, manifest: Manifest) -> None:
    """Compare an embedder's identity and dimension with what a version was built with.

    The precision of the weights may be another one, as on a CPU that serves what an accelerator embedded in half: the
    sweep has checked that nDCG does not move with it (docs/method-embed.md#half-precision), and `ragopt check` measures
    how far the canaries' vectors do. So may the build of a library, such as torch's +cpu or +cu126.

    Raises:
        IndexFormatError: questions would be embedded into another space than the index's.
    """
    wanted, found = _compared(manifest.model), _compared(embedder.identity)
    if embedder.dim != manifest.full_dim or (wanted and wanted != found):
        changed = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
        raise IndexFormatError(
            f"The model {embedder.name} is not the one that this index was built with: {', '.join(changed)} differ",
            allowed=", ".join(f"{name}={wanted[name]}" for name in changed if name in wanted) or
            f"{manifest.full_dim} dimensions",
            next_step="Install that version of the model, or build the index again",
        )  # fmt: skip


def _compared(identity: Mapping[str, str | int]) -> dict[str, str | int]:
    """What of an identity has to be equal."""
    return {
        name: re.sub(r"\+[\w.]+", "", value) if name == "library" and isinstance(value, str) else value
        for name, value in identity.items()
        if name != "dtype"
    }
