"""The query log of datasets/tiny: made by its script, and a log that nothing is wrong with."""

import gzip
import runpy

import pytest

from ragopt.cache.log_fields import LogFields
from ragopt.cache.read_log import read_log
from tests.helpers import ROOT

TINY = ROOT / "datasets" / "tiny"
LOG = TINY / "requests.jsonl.gz"


def test_the_log_is_what_its_script_makes():
    """eval/tiny_requests.py makes the file's content again, byte for byte, under any version of zlib."""
    made = runpy.run_path(str(ROOT / "eval" / "tiny_requests.py"))["text"]()
    assert gzip.decompress(LOG.read_bytes()).decode() == made
    assert LOG.stat().st_size < 100_000


@pytest.mark.parametrize("chunks", [None, TINY / "corpus.jsonl"])
def test_the_log_can_be_replayed_and_warns_of_nothing(chunks):
    """Its fields are the defaults, every chunk is a document of the corpus, and no check of a log speaks."""
    log = read_log(LOG, LogFields(chunk_file_id="_id" if chunks else ""), chunks=chunks)
    assert (log.n_requests, log.chunks.n_distinct, len(log.chunks.codes)) == (5_400, 40, 16_200)
    assert (log.refused, log.insufficient, log.warnings) == ("", "", ())
