"""All rows by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import frontier_autofaiss
import frontier_faiss
import frontier_graphs
import frontier_lancedb
import frontier_sbert

if TYPE_CHECKING:
    from frontier_peer import Peer


def all_peers() -> dict[str, Peer]:
    """Peers in the order of the table, ragopt apart."""
    modules = (frontier_faiss, frontier_lancedb, frontier_graphs, frontier_sbert, frontier_autofaiss)
    return {peer.name: peer for module in modules for peer in module.rows()}


def peer_named(name: str) -> Peer:
    """One row; ragopt's is loaded only when it is asked for, because peers' environments lack its packages."""
    if name == "ragopt":
        from frontier_ragopt import Ragopt  # noqa: PLC0415 - see above

        return Ragopt()
    return all_peers()[name]
