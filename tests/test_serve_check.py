"""What a check measures on a real folder, through `ragopt.check`."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

import ragopt
from ragopt.bill.kept_prices import own_prices
from ragopt.bill.price_book import PriceBook
from ragopt.errors import IndexFormatError, InputError
from ragopt.serve.canary_replay import replay_canaries
from ragopt.serve.check import MOST_MOVE, compared
from ragopt.serve.check_material import parted
from ragopt.serve.manifest import make_current
from ragopt.serve.manifest_reading import read_manifest
from ragopt.serve.reprice import repriced
from ragopt.sweep.settings import ReadyVectors
from tests.checked import MIN_RECALL, built_folders, copied, other_texts
from tests.served import write_queries


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Built folders by factory, never changed."""
    return built_folders(tmp_path_factory.mktemp("built"))


@pytest.fixture
def coded(folders, tmp_path):
    """A copy of the coded index."""
    return copied(folders["PQ16x4fs"], tmp_path)


def documents(texts, prefix="x"):
    return [ragopt.Document(f"{prefix}{number}", "", text) for number, text in enumerate(texts)]


class Moved:
    """The folder's own embedder, its vectors moved by a share of their length."""

    def __init__(self, embedder, move):
        self._embedder, self._move = embedder, move
        self.name, self.dim, self.device = embedder.name, embedder.dim, embedder.device
        self.identity, self.tokenizer = embedder.identity, embedder.tokenizer

    def embed_documents(self, texts):
        """As they are."""
        return self._embedder.embed_documents(texts)

    def embed_queries(self, texts):
        """Moved."""
        vectors = self._embedder.embed_queries(texts)
        noise = np.random.default_rng(0).standard_normal(vectors.shape).astype(np.float32)
        noise *= np.linalg.norm(vectors, axis=1, keepdims=True) / np.linalg.norm(noise, axis=1, keepdims=True)
        return vectors + np.float32(self._move) * noise


def test_a_fresh_folder_is_kept(folders):
    """Recall of the canaries is that of the build, the embedder has not moved, the bill is the same."""
    checked = ragopt.check(folders["PQ16x4fs"])
    assert (checked.word, checked.exit_code) == ("keep", 0)
    assert checked.canaries.now.value == pytest.approx(checked.canaries.at_build.value)
    assert (checked.canaries.change.value, checked.canaries.n_unknown) == (0.0, 0)
    assert checked.recall_floor == MIN_RECALL
    assert (checked.embedder.n, checked.embedder.n_moved, checked.embedder.largest_move) == (100, 0, 0.0)
    assert checked.bill.same_size_usd_per_month == checked.bill.usd_per_month == checked.bill.kept_usd_per_month
    assert (checked.added, checked.queries, checked.documents) == (None, None, None)


def test_the_build_keeps_what_every_canary_found(folders):
    """The hits that the manifest keeps are those of the index's own search against the kept neighbours, by sets."""
    index = ragopt.open(folders["PQ16x4fs"])
    exact = index.snapshot.canary_neighbours[0][:, :10]
    found = index.nearest(index.snapshot.canaries(), 10)[1]
    hits = [len(set(one) & set(other)) for one, other in zip(exact.tolist(), found.tolist(), strict=True)]
    kept = index.manifest.canary_recall
    assert list(kept.hits) == hits
    assert kept.value == pytest.approx(np.mean(hits) / 10)


def test_deleted_and_added_rows_keep_canaries_exact(coded):
    """After changes recall of the canaries is measured against what is there now: an exact index still has 1."""
    with ragopt.open(coded) as index:
        index.delete([f"d{number}" for number in range(0, 400, 3)])
        index.add(documents(other_texts(40)))
    checked = ragopt.check(coded)
    index = ragopt.open(coded)
    rows, scores = index.snapshot.canary_neighbours
    alive = index.snapshot.alive
    expected = []
    for canary, own in zip(index.snapshot.canaries(), rows, strict=True):
        exact = [row for row in own.tolist() if row >= 0 and alive[row]][:10]
        found = index.nearest(canary[None], 10)[1][0].tolist()
        expected.append(len(set(exact) & set(found)) / 10)
    assert checked.canaries.now.value == pytest.approx(np.mean(expected))
    assert checked.canaries.n_unknown == 0
    assert scores.shape == rows.shape


def test_an_exact_index_finds_its_canaries_after_changes(folders, tmp_path):
    """Flat has recall_vs_exact of 1 on the canaries, whatever was added and deleted."""
    folder = copied(folders["Flat"], tmp_path)
    with ragopt.open(folder) as index:
        index.delete([f"d{number}" for number in range(0, 400, 3)])
        index.add(documents(other_texts(40)))
    checked = ragopt.check(folder)
    assert (checked.canaries.now.value, checked.word) == (1.0, "keep")
    assert any("the codes are the vectors themselves" in note for note in checked.notes)


def test_canaries_whose_depth_is_used_up_are_left_out(coded):
    """Deleting the best 91 of one canary's 100 kept neighbours leaves it out, and says how many were."""
    index = ragopt.open(coded)
    rows = index.snapshot.canary_neighbours[0]
    table = index.as_lancedb().to_arrow()
    names = {}
    for row, name in zip(table["row"].to_pylist(), table["document"].to_pylist(), strict=True):
        names.setdefault(row, []).append(name)
    with index:
        index.delete([name for row in rows[0, :91].tolist() for name in names[row]])
    replayed = replay_canaries(index.snapshot)
    assert not replayed.known[0]
    dead = set(rows[0, :91].tolist())
    known = [sum(row not in dead for row in own) >= 10 for own in rows.tolist()]
    assert replayed.known.tolist() == known
    checked = ragopt.check(coded)
    assert checked.canaries.n_unknown == known.count(False)
    assert checked.canaries.now.n == checked.canaries.change.n == known.count(True)
    assert f"{known.count(False)} of 100 canaries are left out" in " ".join(checked.notes)


def test_an_empty_index_is_checked(coded):
    """With nothing left, neither recall nor a bill is measured, in words."""
    with ragopt.open(coded) as index:
        index.delete([f"d{number}" for number in range(400)])
    checked = ragopt.check(coded)
    assert (checked.word, checked.canaries, checked.bill) == ("keep", None, None)
    told = " ".join(checked.notes)
    for phrase in ("the canaries are not replayed", "the index is empty"):
        assert phrase in told
    with pytest.raises(InputError, match="0 chunks are left"):
        ragopt.check(coded, queries=other_texts(5), embed_again=True)
    for _ in range(2):  # compacted, and compacted once more with no row left to number
        with ragopt.open(coded) as index:
            index.compact()
        assert ragopt.check(coded).word == "keep"


def test_queries_of_the_corpus_keep_and_of_other_words_retune(coded, tmp_path):
    """The run's own questions find enough; of other words all of the interval lies below the limit."""
    own = ragopt.check(coded, queries=write_queries(tmp_path, 200), embed_again=True)
    assert (own.word, own.queries.now.n) == ("keep", 200)
    other = ragopt.check(coded, queries=other_texts(), embed_again=True)
    assert other.word == "re-tune"
    assert other.queries.now.high < MIN_RECALL
    assert other.reasons[0].text.startswith("recall_vs_exact@10 of the new queries is 0.")


def test_added_rows_of_the_same_kind_keep_and_of_another_kind_retrain(coded):
    """Documents of the corpus's own words are coded as held-out ones, of other words four times worse."""
    with ragopt.open(coded) as index:
        index.add(documents([f"{hit.text} bator" for hit in index.search("batorcelin", 40)]))
    same = ragopt.check(coded, documents=documents(other_texts(120), "new"))
    assert same.added.n == 40
    assert same.added.ratio.high < 1.15
    assert (same.word, same.reasons[0].text.split(":")[0]) == ("re-train", "the new documents")
    with ragopt.open(coded) as index:
        index.add(documents(other_texts(120), "y"))
    assert ragopt.check(coded).word == "re-train"


def test_added_rows_that_are_deleted_count_no_more(coded):
    """Deleted, and compacted away, rows of another kind say nothing of what is served; those that stay still do."""
    with ragopt.open(coded) as index:
        index.add(documents(other_texts(150)))
        index.delete(["d1", "d2"])
        errors = index.snapshot.added_errors
        index.delete([f"x{number}" for number in range(0, 30, 2)])
        kept = np.delete(errors, np.arange(0, 30, 2))
        checked = ragopt.check(coded)
        assert (checked.word, checked.added.n) == ("re-train", 135)
        assert checked.added.error == pytest.approx(kept.mean())
        index.compact()
        assert np.array_equal(index.snapshot.added_errors, kept)
        index.add(documents(["one more"], "z"))
        index.delete([f"x{number}" for number in range(150)])
        index.compact()
    checked = ragopt.check(coded)
    assert (checked.word, checked.added) == ("keep", None)
    assert any("1 of them, 2 or more" in note for note in checked.notes)


def test_two_near_equal_documents_do_not_retrain(coded):
    """Two invoices that differ in a number are no drift of the corpus."""
    texts = [f"Invoice {number}: quagga zebra violin, please pay within thirty days" for number in (1001, 1002)]
    with ragopt.open(coded) as index:
        index.add(documents(texts))
    checked = ragopt.check(coded)
    assert (checked.word, checked.added.n) == ("keep", 2)
    assert any("fewer than 100 rows" in reason.text for reason in checked.reasons)


def test_the_build_holds_rows_out(folders):
    """Half of 390 rows for 16 centroids; none for 256, which 195 rows cannot train."""
    held_out = read_manifest(folders["PQ16x4fs"]).coding_held_out
    assert held_out.n == 195
    assert held_out.mean > read_manifest(folders["PQ16x4fs"]).coding.mean
    assert read_manifest(folders["PQ16np"]).coding_held_out is None


def test_canaries_below_the_floor_retune(coded):
    """Under a limit of 0.9 that the run once met, canaries that find half of their neighbours say re-tune."""
    manifest = read_manifest(coded)
    quality = {"recall_vs_exact@10": {"value": 0.95, "low": 0.92, "high": 0.97, "n_queries": 100, "estimated": None}}
    about = {**manifest.about, "limits": {"min_recall": 0.9}, "quality": quality}
    make_current(coded, replace(manifest, about=about))
    checked = ragopt.check(coded)
    assert (checked.word, checked.recall_floor) == ("re-tune", 0.9)
    assert "of the canaries" in checked.reasons[0].text


def test_canaries_that_lost_more_than_a_point_retune(coded):
    """Recall is not below the floor, but every canary finds one neighbour fewer than it did: re-tune."""
    manifest = read_manifest(coded)
    kept = manifest.canary_recall
    hits = tuple(min(one + 1, 10) for one in kept.hits)
    make_current(coded, replace(manifest, canary_recall=replace(kept, hits=hits)))
    checked = ragopt.check(coded)
    lost = sum(hits) - sum(kept.hits)
    assert checked.canaries.change.value == pytest.approx(-lost / 10 / len(hits))
    assert checked.canaries.now.high > checked.recall_floor
    assert checked.word == "re-tune"


@pytest.mark.parametrize(
    ("n", "scalar", "other"),
    [
        (390, (351, 39), (195, 195)),
        (5_001, (4_501, 500), (2_953, 2_048)),
        (18_432, (16_589, 1_843), (16_384, 2_048)),
        (67_584, (65_536, 2_048), (16_384, 2_048)),
        (10**7, (65_536, 2_048), (16_384, 2_048)),
    ],
)
def test_rows_of_the_second_quantizer(n, scalar, other):
    """A scalar one sees nine tenths of the index's training rows or more, others half or more, up to 16,384."""
    assert (parted(n, is_scalar=True), parted(n, is_scalar=False)) == (scalar, other)


@pytest.mark.parametrize(("move", "word"), [(MOST_MOVE / 2, "keep"), (MOST_MOVE * 2, "broken")])
def test_an_embedder_that_moved_is_broken(coded, move, word):
    """Half the tolerance is rounding, twice is another model; then nothing more is embedded."""
    embedder = Moved(ragopt.open(coded).embedder, move)
    checked = ragopt.check(coded, embedder=embedder, queries=other_texts(5), embed_again=True)
    assert checked.word == word
    assert checked.embedder.largest_move == pytest.approx(move, rel=0.2)
    assert (checked.queries is None) == (word == "broken")


def test_moves_by_hand():
    """(3, 4) to (3, 4.05) is 1 % of its length, (1, 0) to (0, 1) the root of 2."""
    kept, now = np.array([[3, 4], [1, 0]], np.float32), np.array([[3, 4.025], [0, 1]], np.float32)
    replay = compared(now, kept)
    assert (replay.n, replay.n_moved) == (2, 1)
    assert replay.largest_move == pytest.approx(2**0.5)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_ready_vectors_have_no_embedder(tmp_path, rng, metric):
    """Built from vectors alone: the embedder is skipped in words, canaries are replayed, new texts are an error."""
    centres = rng.standard_normal((20, 16))
    near = (centres[rng.integers(0, 20, 620)] + 0.5 * rng.standard_normal((620, 16))).astype(np.float32)
    np.save(tmp_path / "corpus.npy", near[:400])
    np.save(tmp_path / "queries.npy", near[400:])
    ready = ReadyVectors(vectors=str(tmp_path / "corpus.npy"), query_vectors=str(tmp_path / "queries.npy"))
    run = ragopt.sweep(None, ready=ready, metric=metric, n_queries=100, confirm_queries=100, limits={"min_recall": 0.3},
                       cost_model="scan", out=tmp_path / "run", cache_dir=tmp_path / "cache",
                       grid=str(write_grid(tmp_path)))  # fmt: skip
    ragopt.build(run, out=tmp_path / "index", cache_dir=tmp_path / "cache")
    checked = ragopt.check(tmp_path / "index")
    assert (checked.word, checked.embedder) == ("keep", None)
    assert (checked.canaries.change.value, checked.canaries.now.n) == (0.0, 100)
    assert any("built from ready vectors" in note for note in checked.notes)
    with pytest.raises(InputError, match="cannot embed text"):
        ragopt.check(tmp_path / "index", documents=documents(["a text"]))


def write_grid(folder):
    """A grid of two trials of ready vectors."""
    path = folder / "grid.toml"
    path.write_text('about = "two"\n\n[[grid]]\nspaces = ["full"]\nfactories = ["SQ8", "Flat"]\n')
    return path


def test_one_query_is_too_few(coded):
    """An interval needs two."""
    with pytest.raises(InputError, match="holds 1 queries"):
        ragopt.check(coded, queries=["one"], embed_again=True)


def test_no_index_there(tmp_path):
    """A missing folder and one that holds something else are errors, not broken indexes."""
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(IndexFormatError, match="is no served index"):
            ragopt.check(folder)


def test_a_damaged_manifest_is_broken(coded):
    """A changed byte of the manifest: the word is broken, the reason names the file."""
    path = coded / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2'))
    checked = ragopt.check(coded)
    assert (checked.word, checked.exit_code, checked.version) == ("broken", 1, 0)
    assert "manifest.json was changed" in checked.reasons[0].text


def test_the_bill_grows_with_the_rows(coded):
    """A run billed for ten thousand times its corpus is billed for as many times the rows of today."""
    manifest = read_manifest(coded)
    kept = manifest.about["check"]
    own = next(one for one in kept["trials"] if one["trial"] == manifest.trial)
    n = own["footprint"]["n_vectors_measured"]
    own["workload"]["n_vectors"] = n * 10_000
    bill = repriced(manifest, n * 5, PriceBook.packaged())
    assert (bill.n_vectors_then, bill.n_vectors_now) == (n * 10_000, n * 50_000)
    assert bill.usd_per_month > bill.same_size_usd_per_month
    assert [one.usd_per_month for one in bill.others] == sorted(one.usd_per_month for one in bill.others)


def with_own_price(folder, **changes):
    """Give the folder a price of its run's own for the VM types that it may be billed at: a tenth of the package's."""
    book = PriceBook.packaged()
    own = [replace(price, usd=price.usd / 10, **changes) for price in book if price.group == "vms"]
    manifest = read_manifest(folder)
    kept = own_prices(book.over(own))
    make_current(folder, replace(manifest, about={**manifest.about, "own_prices": kept}))
    return manifest, PriceBook.packaged().over(own)


def test_prices_of_the_run_are_billed_today_too(coded):
    """Negotiated rates that the run was given are those of the check, not a fall of prices; --prices is over them."""
    manifest, book = with_own_price(coded, source="contract")
    checked = ragopt.check(coded)
    assert checked.bill == repriced(manifest, manifest.n_rows, book)
    assert checked.bill.usd_per_month < checked.bill.kept_usd_per_month
    assert any("prices of the run's own" in note and "are used as the run had them, 0 are" in note
               for note in checked.notes)  # fmt: skip


def test_a_later_price_of_the_same_source_replaces_that_of_the_run(coded):
    """What the run had refreshed gives way to what the same page says today; what a contract says does not."""
    manifest, _ = with_own_price(coded, as_of="2020-01-01")
    checked = ragopt.check(coded)
    assert checked.bill == repriced(manifest, manifest.n_rows, PriceBook.load())
    assert any(" 0 are used as the run had them" in note for note in checked.notes)


def test_prices_of_a_manifest_that_cannot_be_read(coded):
    """A kept price without a figure is damage."""
    manifest = read_manifest(coded)
    make_current(coded, replace(manifest, about={**manifest.about, "own_prices": [{"usd": "x"}]}))
    with pytest.raises(IndexFormatError, match="prices cannot be read"):
        ragopt.check(coded)


def test_prices_of_today_move_the_bill(coded):
    """A book in which everything costs twice as much: the difference is by prices, none of it by size."""
    book = PriceBook.packaged()
    doubled = book.over(replace(price, usd=price.usd * 2) for price in book)
    manifest = read_manifest(coded)
    bill = repriced(manifest, manifest.n_rows, doubled)
    assert bill.usd_per_month == bill.same_size_usd_per_month
    assert abs(bill.usd_per_month - 2 * bill.kept_usd_per_month) <= Decimal("0.02")


def test_a_trial_that_the_run_did_not_bill(coded):
    """Without a kept bill the figures are told to be missing; a damaged one is damage."""
    manifest = read_manifest(coded)
    about = {**manifest.about, "check": {"trials": []}}
    assert "did not bill this trial" in repriced(replace(manifest, about=about), 390, PriceBook.packaged())
    with pytest.raises(IndexFormatError, match="bill cannot be read"):
        repriced(replace(manifest, about={**about, "check": {"trials": [{}]}}), 390, PriceBook.packaged())


def test_a_folder_without_recall_of_the_build(coded):
    """Where none was kept, recall is measured and the missing comparison told."""
    make_current(coded, replace(read_manifest(coded), canary_recall=None))
    checked = ragopt.check(coded)
    assert (checked.word, checked.canaries.at_build, checked.canaries.change) == ("keep", None, None)
    assert "no recall of the canaries at the build" in " ".join(checked.notes)
