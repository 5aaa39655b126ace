"""A prompt cache replayed: prefixes within their time, per tenant, by token; orders compared without looking ahead."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragopt.cache.coded_log import Prompts
from ragopt.cache.prefix import break_even_hit_share, replay_prefix
from ragopt.cache.prefix_orders import compare_orders
from ragopt.errors import InputError

NAMES = ("sys_prompt", "passages", "history", "web_search", "q")
"""RAGPulse's blocks in the order of facts: system, passages, history, user; the web's findings before the question."""


def prompts_of(*requests, tokens=100, names=("part",)):
    """Prompts of one-letter blocks of equal length, all of one part."""
    codes = [ord(letter) for request in requests for letter in request]
    return Prompts(
        starts=np.cumsum([0, *map(len, requests)], dtype=np.int64),
        codes=np.array(codes, dtype=np.int32),
        tokens=np.full(len(codes), tokens, dtype=np.int32),
        parts=np.zeros(len(codes), dtype=np.int32),
        part_names=names,
        shared_out=0.0,
    )


def in_parts(requests, tokens=100):
    """Prompts of two parts, instructions and chunks, each given as letters."""
    whole = prompts_of(*("".join(request) for request in requests), tokens=tokens, names=("instructions", "chunks"))
    parts = [part for request in requests for part, letters in enumerate(request) for _ in letters]
    return Prompts(whole.starts, whole.codes, whole.tokens, np.array(parts, np.int32), whole.part_names, 0.0)


def at(*seconds):
    return np.array(seconds, dtype=np.float64)


def test_reads_by_hand():
    """The longest run of blocks sent before is read, up to the first other block; the rest is written."""
    prompts = prompts_of("abc", "abd", "xbc", "abcd", "ab")
    found = replay_prefix(prompts, at(0, 1, 2, 3, 4), min_tokens=0)
    assert found.read.tolist() == [0, 200, 0, 300, 200]
    assert found.written.tolist() == [300, 100, 300, 100, 0]
    assert found.total.tolist() == [300, 300, 300, 400, 200]
    assert found.hit_share == 700 / 1500


def test_each_use_starts_the_time_anew():
    """A prefix used every 300 s is never forgotten; one second later it is; a longer tail goes before its head."""
    prompts = prompts_of("abc", "ab", "abc", "abc")
    found = replay_prefix(prompts, at(0, 300, 600, 901), ttl_s=300, min_tokens=0)
    # At 600 s the block c was last used 600 s ago, a and b 300 s ago; at 901 s everything is 301 s old.
    assert found.read.tolist() == [0, 200, 200, 0]


def test_nothing_is_shared_between_tenants():
    """The same prompt of another tenant, or of none, is read by nobody else."""
    prompts = prompts_of("ab", "ab", "ab", "ab")
    found = replay_prefix(prompts, at(0, 1, 2, 3), min_tokens=0, tenants=np.array([0, 1, -1, 0], np.int32))
    assert found.read.tolist() == [0, 0, 0, 200]


def test_the_least_prefix():
    """Under the minimum nothing is read and, for a whole prompt, nothing written; at the minimum both."""
    prompts = prompts_of("ab", "ab", "abc", "abd", "abcd", "abcx")
    found = replay_prefix(prompts, at(*range(6)), min_tokens=300)
    # "ab" is too short to be kept, so "abc" writes all; "abd" shares two blocks only, too few to be read.
    assert found.read.tolist() == [0, 0, 0, 0, 300, 300]
    assert found.written.tolist() == [0, 0, 300, 300, 100, 100]


@given(
    st.lists(st.tuples(st.text("abc", max_size=5), st.integers(0, 200), st.integers(-1, 1)), max_size=25),
    st.integers(0, 4),
)
@settings(deadline=None)
def test_against_the_definition(requests, least):
    """Every prefix remembered with its last use gives the same tokens, whatever the requests."""
    times = np.cumsum([0, *(gap for _, gap, _ in requests)])[1:].astype(np.float64)
    tenants = np.array([tenant for _, _, tenant in requests], dtype=np.int32)
    prompts = prompts_of(*(text for text, _, _ in requests), tokens=10)
    found = replay_prefix(prompts, times, ttl_s=300, min_tokens=10 * least, tenants=tenants)
    last_use = {}
    for row, (text, _, tenant) in enumerate(requests):
        heads = [(tenant, text[:size]) for size in range(1, len(text) + 1)] if len(text) >= least else []
        run = 0
        while run < len(heads) and times[row] - last_use.get(heads[run], -np.inf) <= 300:
            run += 1
        assert found.read[row] == (10 * run if run >= least else 0)
        assert found.read[row] + found.written[row] == (10 * len(text) if len(text) >= least else 0)
        last_use.update(dict.fromkeys(heads, times[row]))


def test_memory_is_what_one_ttl_holds():
    """A hundred times longer log of prompts that never come back keeps no more prefixes at once."""
    short, long = (
        replay_prefix(
            Prompts(
                np.arange(0, 4 * n + 1, 4, dtype=np.int64),
                np.arange(4 * n, dtype=np.int32),
                np.full(4 * n, 500, np.int32),
                np.zeros(4 * n, np.int32),
                ("part",),
                0.0,
            ),
            np.arange(n, dtype=np.float64),
            ttl_s=10,
        )
        for n in (100, 10_000)
    )
    assert short.most_kept == long.most_kept == 11 * 4


def test_break_even():
    """Writes at 1.25 and 2 times and reads at 0.1 times the price need 21.7 and 52.6 % hits; free writes need none."""
    assert break_even_hit_share(1.25, 0.1) == pytest.approx(0.25 / 1.15)
    assert break_even_hit_share(2, 0.1) == pytest.approx(1 / 1.9)
    assert break_even_hit_share(1, 0.5) == 0
    share = break_even_hit_share(1.6, 0.3)
    assert share * 0.3 + (1 - share) * 1.6 == pytest.approx(1)
    for write, read in ((0.9, 0.1), (1.25, 1), (1.25, -0.1), (float("nan"), 0.1), (float("inf"), 0.1)):
        with pytest.raises(InputError, match="No break-even"):
            break_even_hit_share(write, read)


@pytest.mark.parametrize(
    ("times", "options", "message"),
    [
        (None, {}, "The log has no times, and a prompt cache forgets within minutes"),
        (at(0), {}, "2 prompts come with 1 times"),
        (at(0, 1), {"tenants": np.zeros(3, np.int32)}, "and 3 tenants"),
        (at(1, 0), {}, "Times are missing or fall"),
        (at(0, float("nan")), {}, "Times are missing or fall"),
        (at(0, 1), {"ttl_s": 0}, r"or more for 0 s"),
        (at(0, 1), {"min_tokens": -1}, "prefixes of -1 tokens"),
    ],
)
def test_what_cannot_be_replayed(times, options, message):
    """Without times, with times that fall and with impossible limits the replay is refused with the reason."""
    with pytest.raises(InputError, match=message):
        replay_prefix(prompts_of("ab", "ab"), times, **options)


def test_negative_tokens():
    """A block of negative length is refused."""
    with pytest.raises(InputError, match="A block of a prompt has -5 tokens"):
        replay_prefix(prompts_of("ab", tokens=-5), at(0))


def test_one_off_blocks_go_last():
    """A second block that differs in every request hides the chunks behind it; last, it does not."""
    prompts = in_parts([("a1", "xy"), ("a2", "xy"), ("a3", "xy"), ("a4", "xz")])
    found = compare_orders(prompts, at(0, 1, 2, 3), min_tokens=0)
    assert [one.name for one in found.replays] == ["as sent", "one-off blocks last"]
    assert found.replays[0].reads.read.tolist() == [0, 100, 100, 100]
    # "axy1", "axy2", "axy3", "axz4": the chunks are read too.
    assert found.replays[1].reads.read.tolist() == [0, 300, 300, 200]
    assert [one.hit_share for one in found.replays] == [200 / 800, 500 / 800]
    assert found.best.name == "one-off blocks last"
    assert len(found.one_off) == 1
    assert found.one_off[0].text == (
        "Block 2 of instructions is a text of its own in 100 % of 4 requests: nothing behind it can be read from a "
        "prompt cache there."
    )


def test_a_question_at_the_end_is_no_problem():
    """One-off blocks that stand behind all others already are neither named nor moved."""
    prompts = in_parts([("a", "x1"), ("a", "x2"), ("a", "x3"), ("b", "x4")])
    found = compare_orders(prompts, at(0, 1, 2, 3), min_tokens=0)
    assert [one.name for one in found.replays] == ["as sent"]
    assert found.one_off == ()


def test_popularity_is_counted_in_the_first_half():
    """Chunks are sorted by their reads in the first half; what the second half reads most does not count."""
    requests = [("a", chunks) for chunks in ("xy", "zx", "yx", "yz", "zx", "xz", "zy", "z")]
    prompts = in_parts(requests)
    found = compare_orders(prompts, at(*range(8)), chunk_part="chunks", min_tokens=0)
    assert [one.name for one in found.replays] == ["as sent", "chunks by popularity"]
    # First half: x 3, y 3, z 2; so x before y before z: axy, axz, axy, ayz | axz, axz, ayz, az.
    assert found.replays[0].reads.read[4:].tolist() == [300, 200, 200, 200]
    assert found.replays[1].reads.read[4:].tolist() == [300, 300, 300, 100]
    assert found.replays[1].scored_from == 4
    assert [one.hit_share for one in found.replays] == [900 / 1100, 1000 / 1100]


def test_both_orders_together():
    """One-off instructions last and chunks by popularity: two orders, and both at once."""
    prompts = in_parts([("1", "xy"), ("2", "yx"), ("3", "xy"), ("4", "yx")])
    found = compare_orders(prompts, at(*range(4)), chunk_part="chunks", min_tokens=0)
    assert [one.name for one in found.replays] == [
        "as sent",
        "one-off blocks last",
        "chunks by popularity",
        "both",
    ]
    assert [one.reads.read.tolist() for one in found.replays] == [
        [0, 0, 0, 0],
        [0, 0, 200, 200],
        [0, 0, 0, 0],
        [0, 200, 200, 200],
    ]
    # In the second half, which is scored, both read no more than one of the two.
    assert found.best.name == "one-off blocks last"


@given(st.lists(st.tuples(st.text("ab12", max_size=3), st.text("xyz", max_size=4)), max_size=15))
@settings(deadline=None)
def test_orders_lose_no_block(requests):
    """Every order sends each request's own blocks: the totals are the same, and nothing is read that was not sent."""
    found = compare_orders(in_parts(requests), np.arange(len(requests), dtype=float), chunk_part="chunks", min_tokens=0)
    for one in found.replays:
        assert one.reads.total.tolist() == [100 * len(a + b) for a, b in requests]
        assert (one.reads.read + one.reads.written == one.reads.total).all()


def ragpulse(folder, length_of_unknown):
    """RAGPulse's prompts; blocks without a known length get the tokens that `length_of_unknown` says."""
    lengths = {}
    for line in (folder / "2_passages.jsonl").read_text(encoding="utf-8").split("\n"):
        if line.strip():
            row = json.loads(line)
            lengths[row["passage_id"]] = row["token_length"]
    codes, tokens, parts, starts, times, names = [], [], [], [0], [], {}
    for line in (folder / "log.jsonl").read_text(encoding="utf-8").split("\n")[:-1]:
        row = json.loads(line)
        blocks = [(part, one) for part, name in enumerate(NAMES[:-1]) for one in row[name]] + [(4, row["q"])]
        rest = row["input_length"] - sum(lengths[one] for one in row["passages"])
        unknown = length_of_unknown(rest, sum(part != 1 for part, _ in blocks))
        codes += [names.setdefault(block, len(names)) for block in blocks]
        tokens += [lengths[one] if part == 1 else unknown for part, one in blocks]
        parts += [part for part, _ in blocks]
        starts.append(len(codes))
        times.append(row["t"])
    arrays = [np.array(one, np.int32) for one in (codes, tokens, parts)]
    return Prompts(np.array(starts, np.int64), *arrays, NAMES, 0.0), np.array(times)


def test_ragpulse(shared):
    """At 512 tokens a block of unknown length 26 % are read as sent, 28 and 29 % in other orders, 22 % from 1,024."""
    prompts, times = ragpulse(shared / "data" / "ragpulse", lambda _rest, _n: 512)
    total = 20_917_099  # the trace's own input_length, which 512 tokens a block do not add up to
    found = compare_orders(prompts, times, chunk_part="passages", min_tokens=0)
    shares = {one.name: int(one.reads.read.sum()) / total for one in found.replays}
    assert shares["as sent"] == pytest.approx(0.2625, abs=5e-4)
    assert shares["one-off blocks last"] == pytest.approx(0.2763, abs=5e-4)
    assert shares["both"] == pytest.approx(0.287, abs=1e-3)
    least = replay_prefix(prompts, times)
    assert int(least.read.sum()) / total == pytest.approx(0.2233, abs=5e-4)
    assert [(one.part, one.place, round(one.one_off_share, 2)) for one in found.one_off] == [("sys_prompt", 3, 0.74)]


def test_ragpulse_with_tokens_shared_out(shared):
    """A request's remaining tokens, spread evenly over its unknown blocks, give 16 %, and next to none from 1,024."""
    prompts, times = ragpulse(shared / "data" / "ragpulse", lambda rest, n: round(rest / n))
    assert replay_prefix(prompts, times, min_tokens=0).hit_share == pytest.approx(0.1645, abs=5e-4)
    assert replay_prefix(prompts, times).hit_share == pytest.approx(0.0011, abs=5e-4)
