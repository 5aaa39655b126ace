"""Which field of a query log is what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ragopt.errors import InputError


@dataclass(frozen=True, slots=True)
class LogFields:
    """Names of the fields (Parquet: columns) of a query log.

    The defaults are the names that the documentation uses. A log may lack every field but the query.

    Attributes:
        time: when the request came.
        query: its text or a hash of it.
        session: of the conversation.
        tenant: whose data it may read.
        history: of the conversation before the query: a text, a hash or a list.
        filter: what the search was restricted to.
        k: how many chunks it asked for.
        index_version: of the index that answered it.
        chunks: ids of the chunks that it read, a list.
        tokens_in, tokens_out: of the language model.
        prompt: fields that the prompt was made of, in the order in which they were sent; empty where nobody says.
        empty_history: values that stand for no history; an empty list or text and null always do.
        block_tokens: that a block of the prompt is taken to have where its length is not known, a request's last one
            taking what is left; None spreads evenly what the known blocks leave.
        chunk_file_id: field of the chunk file with the chunk's id; empty for the usual names.
    """

    time: str = "time"
    query: str = "query"
    session: str = "session"
    tenant: str = "tenant"
    history: str = "history"
    filter: str = "filter"
    k: str = "k"
    index_version: str = "index_version"
    chunks: str = "chunk_ids"
    tokens_in: str = "tokens_in"
    tokens_out: str = "tokens_out"
    prompt: tuple[str, ...] = ()
    empty_history: tuple[Any, ...] = ()
    block_tokens: int | None = None
    chunk_file_id: str = ""

    def __post_init__(self) -> None:
        """Refuse blocks of no length. Raises InputError."""
        if self.block_tokens is not None and self.block_tokens < 1:
            raise InputError(f"--block-tokens is {self.block_tokens}", allowed="1 or more",
                             next_step="Give the tokens of a block, or leave it out")  # fmt: skip

    def by_role(self) -> Mapping[str, str]:
        """Role to field name, for the roles that have one field each."""
        return {role: getattr(self, role) for role in ROLES}

    def read(self) -> tuple[str, ...]:
        """Every field that is read, each once."""
        return tuple(dict.fromkeys((*self.by_role().values(), *self.prompt)))


ROLES = (
    "time", "query", "session", "tenant", "history", "filter", "k", "index_version", "chunks", "tokens_in",
    "tokens_out",
)  # fmt: skip
"""What one field each may be; `read_log`'s `named` holds some of these."""


def option_of(role: str) -> str:
    """The command-line option that names the field of a role.

    >>> option_of("index_version")
    '--index-version-field'
    """
    return f"--{role.replace('_', '-')}-field"
