"""What is left out of a markdown text that GitHub would refuse for its length: folded parts first, then long lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_CHARACTERS = 65_536
"""Of one comment or description on GitHub: its error says "Body is too long (maximum is 65536 characters)"."""


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the text.

    Attributes:
        text: in markdown.
        short: what stands in its place when the whole is too long; empty for a part that always stays.
        rank: parts of the lowest rank are shortened first, of one rank the last one.
    """

    text: str
    short: str = ""
    rank: int = 0


def joined(blocks: Sequence[Block], most: int = MOST_CHARACTERS) -> str:
    """Join the blocks with empty lines, as many of them shortened as it takes to stay below `most` characters."""
    texts = [block.text for block in blocks]
    order = sorted((at for at, block in enumerate(blocks) if block.short), key=lambda at: (blocks[at].rank, -at))
    for at in order:
        if len(_whole(texts)) < most:
            break
        texts[at] = blocks[at].short
    return _whole(texts)


def _whole(texts: Sequence[str]) -> str:
    return "\n\n".join(texts) + "\n"
