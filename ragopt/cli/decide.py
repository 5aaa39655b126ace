"""`ragopt decide QUESTION`: the group; each question is a file of its own, loaded when it is asked."""

from __future__ import annotations

import click

from ragopt.cli.lazy_group import LazyGroup

QUESTIONS = {
    "embedding": (
        "ragopt.cli.decide_embedding",
        "Buy embedding or run the model: break-even in tokens a day.",
    ),
    "spot": ("ragopt.cli.decide_spot", "On demand or spot, for embedding and index builds, rework included."),
    "tier": ("ragopt.cli.decide_tier", "Which storage tier, for how often it is read."),
    "chunks": ("ragopt.cli.decide_chunks", "How many chunks to send to the generator: quality beside USD per month."),
    "target": ("ragopt.cli.decide_target", "When to move from one target to the next as vectors or queries grow."),
}


@click.group("decide", cls=LazyGroup, table=QUESTIONS, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Answer one question of the bill, with its break-even and a sentence.

    Example: ragopt decide tier --document-bytes 1000000000000 --reads-per-month 0.1
    """
