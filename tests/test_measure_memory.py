"""Resident memory by the kernel's own count: its peak, and mapped pages that are given back."""

import numpy as np

from ragopt.measure import memory
from ragopt.measure.memory import STATUS_FILE, PeakMemory, forget_peak, peak_resident_bytes, release_mapped_pages
from tests.helpers import run_python

MIB = 2**20


def test_the_peak_begins_anew():
    """After 200 MiB were used and freed, the next block's peak does not hold them; within the block they are seen."""
    code = """
    import numpy as np
    from ragopt.measure.memory import PeakMemory
    with PeakMemory() as first:
        block = np.ones(200 * 2**20, np.uint8)
        del block
    with PeakMemory() as second:
        pass
    print(first.resident_bytes - second.resident_bytes > 190 * 2**20)
    """
    assert run_python(code).stdout.strip() == "True"


def test_a_short_peak_is_seen():
    """The kernel counts what no sample sees: 100 MiB for less than the 50 ms between two samples."""
    code = """
    import numpy as np
    from ragopt.measure import memory
    memory.SAMPLE_SECONDS = 60
    before = memory.peak_resident_bytes()
    with memory.PeakMemory() as peak:
        np.ones(100 * 2**20, np.uint8)
    print(peak.resident_bytes - before > 95 * 2**20, peak.anonymous_bytes < peak.resident_bytes)
    """
    assert run_python(code).stdout.strip() == "True True"


def resident():
    return {line.split(":")[0]: int(line.split()[1]) * 1024
            for line in STATUS_FILE.read_text().splitlines() if line.startswith("Rss")}  # fmt: skip


def test_mapped_pages_are_given_back_and_read_again(tmp_path):
    """Touched pages of a file below the folder are resident no more, its values are the same, others are left alone."""
    inside, outside = tmp_path / "store", tmp_path / "other"
    inside.mkdir()
    outside.mkdir()
    values = np.arange(8 * MIB, dtype=np.float32)
    maps = []
    for folder in (inside, outside):
        values.tofile(folder / "v.f32")
        maps.append(np.memmap(folder / "v.f32", np.float32, "r"))
    sums = [float(one.sum(dtype=np.float64)) for one in maps]
    touched = resident()["RssFile"]
    release_mapped_pages(inside)
    left = touched - resident()["RssFile"]
    assert 31 * MIB < left < 33 * MIB  # the 32 MiB of one file, not of both
    assert [float(one.sum(dtype=np.float64)) for one in maps] == sums


def test_private_changes_of_a_mapping_are_not_lost(tmp_path):
    """A mapping that may be written to is left alone: giving its pages back would undo the changes."""
    np.zeros(1000, np.float32).tofile(tmp_path / "v.f32")
    changed = np.memmap(tmp_path / "v.f32", np.float32, "c")
    changed[:] = 1
    release_mapped_pages(tmp_path)
    assert changed.sum() == 1000


def test_without_the_kernels_files_nothing_happens(tmp_path, monkeypatch):
    """On a system that shows no mappings and cannot count anew, the peak is that of the process."""
    monkeypatch.setattr(memory, "MAPS_FILE", tmp_path / "none")
    monkeypatch.setattr(memory, "CLEAR_FILE", tmp_path / "none" / "none")
    release_mapped_pages(tmp_path)
    assert forget_peak() is False
    with PeakMemory() as peak:
        pass
    assert 0 < peak.resident_bytes <= peak_resident_bytes()


def test_a_library_below_the_folder_is_left_alone(tmp_path):
    """The relocated pages of a loaded library are private and changed: without them the process would end."""
    code = """
    import ctypes, shutil, sys
    from pathlib import Path
    import numpy as np
    from ragopt.measure.memory import release_mapped_pages
    folder = Path(sys.argv[1])
    own = next(Path(np.__file__).parent.glob("random/_pcg64*.so"))
    shutil.copy(own, folder / own.name)
    library = ctypes.CDLL(str(folder / own.name))
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(own.name)]
    private = [line.split()[0] for line in lines if " r--p " in line and str(folder) in line]
    def read():
        found = b""
        for span in private:
            first, last = (int(end, 16) for end in span.split("-"))
            found += ctypes.string_at(first, last - first)
        return found
    before = read()
    release_mapped_pages(folder)
    print(len(private) > 0, read() == before)
    """
    assert run_python(code, str(tmp_path)).stdout.strip() == "True True"
