"""What a workload reads off a corpus: tokens and bytes of its chunks, by hand."""

from tokenizers import Tokenizer, models, pre_tokenizers

from ragopt.corpus.chunks import Chunks, write_chunks
from ragopt.corpus.records import Document
from ragopt.corpus.splitting import ChunkOptions
from ragopt.corpus.token_counts import key_bytes, mean_tokens, metadata_bytes, spaced, tokens_per_chunk


def words():
    """A tokenizer of words."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))  # noqa: S106 - a token of text
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def test_chunks_by_hand(tmp_path):
    """Two whole documents of 4 + 1 and 2 + 0 words: 3.5 tokens, 4 rounded up.

    Ids d1 and d22 with titles One and none: 5 and 3 bytes of metadata, 4 on average.
    """
    documents = [Document("d1", "One", "two three four five"), Document("d22", "", "six seven")]
    write_chunks(documents, tmp_path, options=ChunkOptions(None, 0), tokenizer=words())
    chunks = Chunks(tmp_path)
    assert tokens_per_chunk(chunks, words()) == 4
    assert metadata_bytes(chunks) == 4
    assert key_bytes(chunks) == -(-sum(len(one) for one in chunks.chunk_ids()) // 2)


def test_means_are_rounded_up_and_never_below_one():
    """1, 2 and 2 words are 1.67, so 2; an empty text still is one token."""
    assert mean_tokens(["a", "b c", "d e"], words()) == 2
    assert mean_tokens([""], words()) == 1


def test_a_sample_is_evenly_spaced():
    """Of 2,500 texts every second is counted, of few each."""
    assert spaced([str(number) for number in range(2500)])[:3] == ["0", "2", "4"]
    assert spaced(["a", "b"]) == ["a", "b"]
