"""A cache advice with given texts in every place where a log, a price file or a changed run could put one."""

import itertools
from dataclasses import replace

from ragopt.sweep.kept_cache import with_cache
from tests.cache_example import ADVICE, CHUNK


def hostile_advice(*texts):
    """The example advice with the texts in turn as its free texts; a cache and a policy are named by one too."""
    text = itertools.cycle(texts).__next__
    plans = [replace(plan, reason=text(), notes=(text(),), guess=text()) for plan in ADVICE.plans]
    strange = replace(CHUNK, name=text(), policy=text(), reason=text(), notes=(text(), text()), guess=text(),
                      curves=tuple(replace(one, policy=text()) for one in CHUNK.curves[:1]))  # fmt: skip
    return replace(
        ADVICE,
        basis=text(),
        log=replace(ADVICE.log, source=text(), rate=text()),
        plans=(*plans, strange),
        memory=replace(ADVICE.memory, vm=text(), formula=text(), source=text(), as_of=text()),
        prices=tuple(replace(one, what=text(), formula=text(), source=text(), as_of=text(), caution=text())
                     for one in ADVICE.prices),
        trial=text(),
        target=text(),
        prompt_orders=tuple(replace(one, name=text()) for one in ADVICE.prompt_orders),
        warnings=(text(), text(), text()),
        insufficient=text(),
    )  # fmt: skip


def with_hostile_cache(run, *texts):
    """The run with that advice."""
    return with_cache(run, hostile_advice(*texts))
