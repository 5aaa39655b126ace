"""Readers beside a writer: an opened version stays whole, and opening one comes to an end."""

import numpy as np
import pytest

from ragopt.serve.canary_replay import replay_canaries
from ragopt.serve.consistency import check_consistency
from tests.killed import copy_of
from tests.small_served import all_documents, build, documents, opened, question


@pytest.fixture(scope="module")
def folder(small, tmp_path_factory):
    """A folder as it was built; tests copy it."""
    return build(small, tmp_path_factory.mktemp("readers") / "index")


def test_a_reader_keeps_everything_of_its_version_while_a_writer_goes_on(folder, ram):
    """Files of a former version are removed: what an opened one has still to read is there, and the same."""
    reader, untouched = (opened(copy_of(folder, ram / name)) for name in ("index", "untouched"))
    with opened(ram / "index") as writer:
        writer.add(documents(["x"]), split=False)
        writer.delete(["b0"])
    assert not (ram / "index" / reader.manifest.state.canary_rows).exists()
    ours, theirs = replay_canaries(reader.snapshot), replay_canaries(untouched.snapshot)
    assert ours.known.all()
    np.testing.assert_array_equal(ours.scores, theirs.scores)
    assert reader.snapshot.template().ntotal == 0
    check_consistency(reader.snapshot)
    assert reader.search(question("b0"), 1)[0].id == "b0"
    assert len(all_documents(reader)) == 300
