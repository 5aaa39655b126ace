"""Fixtures that more than one test file uses."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng():
    """A seeded generator: every test sees the same numbers."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session", autouse=True)
def no_prices_of_the_user(tmp_path_factory):
    """No bill of a test, in this process or in one that it starts, depends on what its user refreshed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session")
def shared():
    """The folder of public data sets; tests that need it skip where RAGOPT_SHARED is not set."""
    folder = os.environ.get("RAGOPT_SHARED")
    if not folder:
        pytest.skip("RAGOPT_SHARED is not set")
    return Path(folder)


@pytest.fixture
def ram(tmp_path):
    """A folder in memory where there is one: a flush to a disk takes milliseconds, and SIGKILL loses none of them."""
    memory = Path("/dev/shm")  # noqa: S108 - shm_overview(7)
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="ragopt-", dir=memory))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The folder of a small finished run: see `small_served.small_run`."""
    from tests.small_served import small_run  # noqa: PLC0415 - loaded when first used

    return small_run(tmp_path_factory.mktemp("small"))
