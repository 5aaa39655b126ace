"""A folder to check, and the pieces of a check by hand, for the tests of `ragopt check`."""

import random
import shutil
from decimal import Decimal
from pathlib import Path

import ragopt
from ragopt.measure.intervals import Interval
from ragopt.serve.check_records import (
    Checked,
    CodingDrift,
    EmbedderReplay,
    OtherBill,
    Reason,
    RecallNow,
    Repriced,
)
from tests.served import swept

MIN_RECALL = 0.4
"""Below what PQ16x4fs finds of the corpus's own words (0.46 and more), above what it finds of other words."""

OTHER_WORDS = (
    "quagga",
    "zebra",
    "quantum",
    "lemon",
    "harbour",
    "violin",
    "granite",
    "orbit",
    "cactus",
    "walrus",
    "samba",
)


def built_folders(folder: Path) -> dict[str, Path]:
    """Sweep a small corpus and build three of its trials, by factory; tests copy what they change."""
    run = swept(folder, ["Flat", "PQ16x4fs", "PQ16np"], limits={"min_recall": MIN_RECALL})
    made: dict[str, Path] = {}
    for result in run.trials:
        factory = result.trial.factory
        if result.confirmed and factory not in made:
            made[factory] = folder / f"index-{len(made)}"
            ragopt.build(run, out=made[factory], trial=result.trial, cache_dir=folder / "cache")
    return made


def copied(source: Path, folder: Path) -> Path:
    """A copy of a built folder."""
    shutil.copytree(source, folder / "index")
    return folder / "index"


def other_texts(n: int = 150, seed: int = 3) -> list[str]:
    """Texts of words that the corpus does not hold."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(OTHER_WORDS, k=1 + number % 6)) for number in range(n)]


def by_hand(**changes: object) -> Checked:
    """A check with every part filled in."""
    recall = RecallNow(Interval(0.93, 0.9, 0.94, 250), 6, Interval(0.97, 0.96, 0.98, 256),
                       Interval(-0.04, -0.06, -0.03, 250), "the neighbours kept with the index")  # fmt: skip
    fresh = RecallNow(Interval(0.96, 0.95, 0.97, 400), 0, None, None, "the texts of the table, embedded again")
    drift = CodingDrift("rows added since the build", 60, 0.3, 2048, 0.2, Interval(1.5, 1.4, 1.6, 60))
    others = (OtherBill("m@8:none | SQ8", "faiss-ram-nvme", Decimal("20.00")),)
    bill = Repriced(
        "faiss-ram", Decimal("27.22"), "2026-11-01", Decimal("26.00"), Decimal("30.50"), "", 1000, 1500, others
    )
    values: dict[str, object] = {
        "folder": "index", "version": 3, "n_chunks": 1500, "trial": "m@8:none | PQ4", "k": 10, "recall_floor": 0.95,
        "embedder": EmbedderReplay(256, 0, 7e-7, 0.01), "canaries": recall, "queries": fresh, "added": drift,
        "documents": None, "bill": bill, "word": "re-train", "notes": ("a note",),
        "reasons": (Reason("re-train", "why"), Reason("keep", "ok")),
    }  # fmt: skip
    return Checked(**{**values, **changes})  # type: ignore[arg-type]
