"""`ragopt cache` as its users run it: a log, a run that keeps the advice, labels, errors with line numbers."""

import gzip
import json
import random

import pytest

import ragopt
from ragopt.cache.advice_json import advice_of
from ragopt.cache.entry_bytes import chunk_entry_bytes, embedding_entry_bytes, result_entry_bytes
from ragopt.cli.main import main
from ragopt.sweep.kept_cache import cache_of
from ragopt.sweep.run_folder import read_run
from tests.cli import ragopt as run_ragopt
from tests.helpers import ROOT

QUESTIONS = [json.loads(line)["text"] for line in (ROOT / "datasets/tiny/queries.jsonl").read_text().splitlines()]
N = 5_200
DAY = 86_400.0


def rows(n=N, days=4.0):
    """Requests of two turns a session, a minute or so apart; one question in five is one that nobody else asks."""
    rng = random.Random(5)
    found = []
    for number in range(n):
        question = QUESTIONS[min(int(rng.expovariate(0.4)), len(QUESTIONS) - 1)]
        if rng.random() < 0.2:
            question = f"{question} ({number})"
        found.append({
            "time": round(number * days * DAY / n + rng.random(), 2),
            "query": question,
            "session": f"s{number // 2}",
            "history": [] if number % 2 == 0 else [f"turn of s{number // 2}"],
            "chunk_ids": [f"d{one}" for one in rng.sample(range(60), 4)],
            "tokens_in": 1500 + number % 7,
            "tokens_out": 150 + number % 11,
        })  # fmt: skip
    return found


def written(path, lines):
    text = "".join(json.dumps(line) + "\n" if isinstance(line, dict) else f"{line}\n" for line in lines)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A log, and a run over the tiny corpus at 50 million vectors."""
    where = tmp_path_factory.mktemp("cache")
    written(where / "log.jsonl", rows())
    (where / "grid.toml").write_text('[[grid]]\nfactories = ["SQ8", "SQ4"]\n', encoding="utf-8")
    done = run_ragopt("sweep", ROOT / "datasets/tiny", "--grid", "grid.toml", "--cost-model", "scan", "--out", "run",
                      "--vectors-at-scale", "50M", "--cache-dir", "store", cwd=where)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return where


def called(capsys, *arguments):
    """Exit code and streams of the command in this process."""
    with pytest.raises(SystemExit) as ended:
        main(["cache", *map(str, arguments)])
    return ended.value.code, *capsys.readouterr()


def test_json_is_the_whole_advice_and_nothing_else(folder, capsys):
    """--json prints what reads back as an advice, and no progress; text names the same money."""
    code, out, err = called(capsys, folder / "log.jsonl", "--set", "generator=openai:gpt-4o", "--json")
    assert (code, err) == (0, "")
    advice = advice_of(json.loads(out))
    assert advice.log.n_requests == N
    assert advice.plan("answer").on
    code, out, _ = called(capsys, folder / "log.jsonl", "--set", "generator=openai:gpt-4o", "--quiet")
    assert code == 0
    assert f"{advice.saved_usd_per_month:,.2f}" in out or f"{advice.plan('answer').saved.value:,.2f}" in out


def test_a_run_keeps_its_advice_and_its_index_opens_with_the_caches(folder):
    """--run --save fills recommendation.json and the report; the built index opens with the recommended sizes."""
    done = run_ragopt("cache", "log.jsonl", "--run", "run", "--save", "--set", "generator=openai:gpt-4o", cwd=folder)
    assert done.returncode == 0, done.stderr
    run = read_run(folder / "run")
    advice = cache_of(run)
    assert advice.trial == str(run.recommendation.trial)
    assert advice.target == run.recommendation.target
    decided = json.loads((folder / "run/recommendation.json").read_text(encoding="utf-8"))
    on = {one["name"]: one for one in decided["cache"]["caches"]}
    assert set(on) == {plan.name for plan in advice.recommended}
    page = (folder / "run/report.html").read_text(encoding="utf-8")
    assert 'id="cache' in page
    ragopt.build(folder / "run", out=folder / "index", cache_dir=folder / "store")
    with ragopt.open(folder / "index", cache="recommended") as index:
        once, again = index.search(QUESTIONS[0]), index.search(QUESTIONS[0])
        assert once == again
        stats = index.cache_stats()
        assert stats.result.capacity_bytes == on["result"]["size_bytes"]
        assert stats.result.hits == 1


def test_planned_bytes_of_an_entry_are_those_that_the_index_counts(folder, tmp_path):
    """Over the 15 questions of the tiny corpus each cache's entries take what the advice plans, within 6 %."""
    index_folder = tmp_path / "index"
    ragopt.build(folder / "run", out=index_folder, cache_dir=folder / "store")
    sizes = ragopt.CacheSettings(embedding_bytes=1 << 24, result_bytes=1 << 24, chunk_bytes=1 << 24)
    with ragopt.open(index_folder, cache=sizes) as index:
        hits = [hit for question in QUESTIONS for hit in index.search(question, k=5)]
        stats = index.cache_stats()
        text = {hit.id: len(hit.text.encode()) for hit in hits}
        metadata = read_run(folder / "run").info["workload"]["metadata_bytes"]  # of document id and title
        planned = {
            "embedding": embedding_entry_bytes(index.manifest.full_dim),
            "result": result_entry_bytes(
                5, text_bytes_per_hit=sum(text[hit.id] for hit in hits) / len(hits), metadata_bytes=metadata
            ),
            "chunk": chunk_entry_bytes(round(sum(text.values()) / len(text)), metadata_bytes=metadata),
        }
    for name, each in planned.items():
        counted = getattr(stats, name)
        assert each == pytest.approx(counted.size_bytes / counted.n_entries, rel=0.06), name


def test_labels_turn_the_semantic_cache_on_only_with_enough_of_them(folder, tmp_path, capsys):
    """149 right pairs of equal similarity certify 2 %, 148 do not; the reason names the number that is needed."""
    pairs = [{"query": f"what is {n}?", "earlier": f"what's {n}?", "score": 0.9, "same": True} for n in range(149)]
    labels = written(tmp_path / "labels.jsonl", pairs)
    call = (folder / "log.jsonl", "--labels", labels, "--model", "wordllama", "--json")
    _, out, _ = called(capsys, *call, "--set", "generator=openai:gpt-4o")
    semantic = advice_of(json.loads(out)).plan("semantic")
    assert "similarity of 0.9000" in semantic.reason
    assert any("for each wrong one" in note for note in semantic.notes)
    written(labels, pairs[:-1])
    _, out, _ = called(capsys, *call)
    assert "148 labelled hits, 149 without any error" in advice_of(json.loads(out)).plan("semantic").reason


def test_a_review_file_reads_back_as_labels_once_filled_in(folder, tmp_path, capsys):
    """--review draws twice the pairs that the budget needs; with `same` filled in they are --labels, and stay."""
    review = tmp_path / "review.jsonl"
    call = (folder / "log.jsonl", "--model", "wordllama", "--json")
    code, _, err = called(capsys, *call, "--review", review)
    assert code == 0, err
    pairs = [json.loads(line) for line in review.read_text(encoding="utf-8").splitlines()]
    assert len(pairs) == 298
    code, _, err = called(capsys, *call, "--labels", review)
    assert (code, "same" in err) == (1, True)
    written(review, [pair | {"same": True} for pair in pairs])
    code, out, _ = called(capsys, *call, "--labels", review)
    assert code == 0
    assert "(95 %, 0 of 236 labelled hits)" in advice_of(json.loads(out)).plan("semantic").reason
    code, _, err = called(capsys, *call, "--review", review)
    assert (code, "is there already" in err) == (1, True)
    assert len(review.read_text(encoding="utf-8").splitlines()) == 298
    assert called(capsys, *call, "--review", folder / "log.jsonl")[0] == 1
    assert called(capsys, folder / "log.jsonl", "--review", tmp_path / "other.jsonl")[0] == 1


def test_judgements_of_a_run_are_labels_of_search_results(folder, capsys):
    """The tiny corpus has 15 judged queries, too few for any threshold: off, with the number of them."""
    code, out, err = called(capsys, folder / "log.jsonl", "--run", folder / "run", "--judgements", "--cache-dir",
                            folder / "store", "--json")  # fmt: skip
    assert (code, err) == (0, "")
    reason = advice_of(json.loads(out)).plan("semantic").reason
    assert "labelled hit" in reason
    assert "149 without any error are needed for 2 %" in reason


def test_without_a_log_there_is_a_band_of_a_model(capsys):
    """Every size has a low and a high share, labelled "model, not measured", and none is recommended."""
    code, out, _ = called(capsys, "--vectors", "1M")
    assert code == 0
    assert out.count("model, not measured") >= 1
    assert "no size is recommended" in " ".join(out.split())
    _, out, _ = called(capsys, "--vectors", "1M", "--json")
    band = json.loads(out)
    assert band["label"] == "model, not measured"
    assert all(row["hits_low"] <= row["hits_high"] for row in band["rows"])
    assert [row["size_items"] for row in band["rows"]] == [1000, 10_000, 50_000, 100_000, 200_000, 500_000, 1_000_000]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"query": None}, "line 3"),
        ({"time": "NaN"}, "line 3"),
        ({"time": -5}, "line 3"),
        ({"tokens_in": -1}, "line 3"),
        ({"tokens_in": True}, "line 3"),
        ({"chunk_ids": "d1"}, "line 3"),
    ],
)
def test_a_bad_value_is_told_with_its_line(tmp_path, capsys, change, said):
    """One error message with file, line and next step, exit code 1, no traceback."""
    lines = rows(20)
    lines[2] |= change
    code, out, err = called(capsys, written(tmp_path / "log.jsonl", lines), "--quiet")
    assert (code, out) == (1, "")
    assert said in err
    assert err.startswith("ragopt: ")
    assert "Traceback" not in err


def test_a_line_that_is_no_json_and_a_file_that_is_not_there(tmp_path, capsys):
    """Both are one message that names the place."""
    code, _, err = called(capsys, written(tmp_path / "log.jsonl", [*rows(3), "{broken"]), "--quiet")
    assert (code, "line 4" in err) == (1, True)
    code, _, err = called(capsys, tmp_path / "none.jsonl", "--quiet")
    assert (code, "none.jsonl" in err) == (1, True)


def test_a_shuffled_log_is_refused_and_a_short_one_recommends_nothing(tmp_path, capsys):
    """Shuffled under the same times: exit code 1 with the reason. 600 requests in half a day: figures, nothing on."""
    lines = rows(1000)
    times = [line["time"] for line in lines]
    random.Random(1).shuffle(lines)
    shuffled = [line | {"time": time} for line, time in zip(lines, times, strict=True)]
    code, _, err = called(capsys, written(tmp_path / "shuffled.jsonl", shuffled), "--quiet")
    assert (code, "seems shuffled" in err) == (1, True)
    _, out, _ = called(capsys, written(tmp_path / "short.jsonl", rows(600, 0.5)), "--json")
    advice = advice_of(json.loads(out))
    assert advice.recommended == ()
    assert "600 requests over 0.5 days" in advice.insufficient


def test_options_that_need_each_other_say_so(folder, capsys):
    """--save and --judgements need a run, labels come from one place, a duration has a unit that exists."""
    log = folder / "log.jsonl"
    for arguments, said in (
        ((log, "--save"), "--save needs a run"),
        ((log, "--dim", "0"), "--dim is 0"),
        ((log, "--model", "nothing"), "there are no labels"),
        ((log, "--seed", "-1"), "--seed is -1"),
        ((log, "--judgements"), "--judgements needs a run"),
        ((log, "--run", folder / "run", "--judgements", "--labels", "x.jsonl"), "two kinds of labels"),
    ):
        code, _, err = called(capsys, *arguments)
        assert (code, said in err) == (1, True), err
    idle = ("--vectors", "1M", "--labels", "x.jsonl")
    for arguments in (
        (log, "--chunk-id-field", "id"),
        ("--quiet",),
        (log, "--answer-ttl", "0"),
        (log, "--answer-ttl", "5w"),
        idle,
    ):
        assert called(capsys, *arguments)[0] == 2


def test_fields_of_other_names_and_gzip_read_the_same(folder, tmp_path, capsys):
    """A log with German field names, packed, gives the advice of the plain one."""
    names = {"time": "zeit", "query": "frage", "session": "sitzung", "history": "verlauf", "chunk_ids": "abschnitte",
             "tokens_in": "ein", "tokens_out": "aus"}  # fmt: skip
    packed = written(tmp_path / "log.jsonl.gz", [{names[key]: one for key, one in row.items()} for row in rows()])
    options = [text for key, name in names.items()
               for text in (f"--{key.replace('chunk_ids', 'chunks').replace('_', '-')}-field", name)]  # fmt: skip
    _, out, _ = called(capsys, packed, *options, "--json")
    _, plain, _ = called(capsys, folder / "log.jsonl", "--json")
    theirs, ours = advice_of(json.loads(out)), advice_of(json.loads(plain))
    assert theirs.plans == ours.plans
