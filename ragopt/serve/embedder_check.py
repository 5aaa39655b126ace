"""Whether a model that is open is the one that a version's vectors were made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragopt.errors import IndexFormatError

if TYPE_CHECKING:
    from ragopt.embed.embedder import Embedder
    from ragopt.serve.manifest import Manifest


def check_embedder(embedder: Embedder, manifest: Manifest) -> None:
    """Compare an embedder's identity and dimension with what a version was built with.

    Raises:
        IndexFormatError: questions would be embedded into another space than the index's.
    """
    wanted, found = dict(manifest.model), dict(embedder.identity)
    if embedder.dim != manifest.full_dim or (wanted and wanted != found):
        changed = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
        raise IndexFormatError(
            f"The model {embedder.name} is not the one that this index was built with: {', '.join(changed)} differ",
            allowed=", ".join(f"{name}={wanted[name]}" for name in changed if name in wanted) or
            f"{manifest.full_dim} dimensions",
            next_step="Install that version of the model, or build the index again",
        )  # fmt: skip
