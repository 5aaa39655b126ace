"""What to bill: a trial of a finished run, a built index, a FAISS file; each as a footprint and a workload."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragopt.bill.described import check_dim, describe_by_bytes, describe_by_factory
from ragopt.bill.price_book import PriceBook
from ragopt.bill.retrieved import results_per_query
from ragopt.bill.workload import Workload
from ragopt.errors import InputError
from ragopt.index.saved import MANIFEST_FILE, open_index
from ragopt.records import Run
from ragopt.sweep.kept_run import (
    given_in_run,
    measured_vectors,
    priced_models,
    prices_of_run,
    results_of_a_search,
    stored_workload,
)
from ragopt.sweep.pricing import footprint_of_result, workload_of
from ragopt.sweep.run_folder import RUN_FILE, read_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ragopt.bill.footprint import Footprint
    from ragopt.bill.whole_bill import WholeBill
    from ragopt.bill.workload_fields import Value
    from ragopt.records import TrialResult


def result_of(run: Run, trial: str | None = None) -> TrialResult:
    """Return a trial of a run by its printed form, the recommended one unless given.

    Raises:
        InputError: the run has no such trial.
    """
    wanted = trial or str(run.recommendation.trial)
    for result in run.trials:
        if str(result.trial) == wanted:
            return result
    raise InputError(f"The run {run.folder} has no trial {wanted!r}", allowed="a printed trial of trials.parquet",
                     next_step=f"Its recommendation is {run.recommendation.trial}")  # fmt: skip


def footprint_in_run(run: Run, result: TrialResult, workload: Workload) -> Footprint:
    """What one trial of a run needs for a workload, as a sweep bills it.

    What it rescores follows the results that the workload asks for; CPU time is that of the search that was measured.

    Raises:
        InputError: it was not measured.
        ArtifactError: ``run.json`` does not say for how many vectors.
    """
    n_vectors = measured_vectors(run, result.trial.space.model)
    k = max(results_of_a_search(run), results_per_query(workload))
    return footprint_of_result(result, n_vectors=n_vectors, k=k)


def workload_in_run(run: Run, given: Mapping[str, Value] | None = None, *, model: str | None = None) -> Workload:
    """The workload that a run billed, with other figures where they are given.

    Args:
        run: a finished run.
        given: fields to change.
        model: whose embedding is billed; the recommended trial's unless given.

    Raises:
        InputError: the given figures are no workload.
        ArtifactError: those of ``run.json`` are none.
    """
    stored = stored_workload(run)
    priced = priced_models(run).get(model or run.recommendation.trial.space.model, "")
    fields = {name: getattr(stored, name) for name in Workload.__slots__}
    if priced and not stored.embedding_model:
        fields["embedding_model"] = priced
    return Workload(**{**fields, **(given or {})})


def footprint_of_index(path: Path, *, k: int) -> Footprint:
    """What a built index on disk needs: a folder of `ragopt build` or a FAISS file.

    Its search time is the table's (`--cost-model scan`); a plain FAISS file is taken to be scanned whole from RAM.

    Args:
        path: a folder with a manifest, or a file that FAISS can read.
        k: neighbours that a search asks for.

    Raises:
        InputError: neither.
        IndexFormatError: a folder whose files do not match its manifest.
    """
    if (path / MANIFEST_FILE).is_file():
        saved = open_index(path)
        trial = saved.trial
        return describe_by_factory(trial.factory, trial.space.dim, trial.search, saved.n, k=k)
    if path.is_file():
        return _of_faiss_file(path)
    raise InputError(f"{path} holds neither a finished run ({RUN_FILE}) nor a built index ({MANIFEST_FILE})",
                     next_step="Name a run folder, an index folder or a FAISS file; or give --vectors, --dim and "
                     "--bytes")  # fmt: skip


def _of_faiss_file(path: Path) -> Footprint:
    import faiss  # noqa: PLC0415 - loaded when first used

    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    except RuntimeError as error:
        raise InputError(f"FAISS cannot read {path}", next_step="Name a run folder or an index file") from error
    if index.ntotal < 1:
        raise InputError(f"The index in {path} is empty", next_step="Add vectors to it first")
    return describe_by_bytes(path.stat().st_size / index.ntotal, 0.0, index.d, index.ntotal)


@dataclass(frozen=True, slots=True)
class Described:
    """An index that exists only on paper; the fields are those of `ragopt.bill`."""

    dim: int | None = None
    ram_bytes: float | None = None
    disk_bytes: float = 0.0
    factory: str | None = None
    search: str = ""
    cpu_ms: float | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """How size and search time were found."""
        if self.cpu_ms is not None:
            return ()
        return (BY_BYTES if self.factory is None else BY_TABLE,)

    def footprint(self, n_vectors: int, *, k: int) -> Footprint:
        """What it needs with so many vectors. Raises InputError: its dimension is not known."""
        if self.dim is None:
            raise InputError("The dimension of the vectors is not known", next_step="Give --dim, or a run or index")
        check_dim(self.dim)
        if self.search and self.factory is None:
            raise InputError(f"--search {self.search} says nothing without --factory",
                             next_step="Give --factory, or leave out --search")  # fmt: skip
        if self.factory is None:
            ram_bytes = 4.0 * self.dim if self.ram_bytes is None else self.ram_bytes
            return describe_by_bytes(ram_bytes, self.disk_bytes, self.dim, n_vectors, cpu_ms=self.cpu_ms)
        if self.ram_bytes is not None or self.disk_bytes:
            raise InputError(f"--factory {self.factory} has bytes of its own", next_step="Leave out --bytes")
        found = describe_by_factory(self.factory, self.dim, self.search, n_vectors, k=k)
        if self.cpu_ms is None:
            return found
        return replace(found, cpu_ms_per_query=self.cpu_ms, cpu_ms_low=self.cpu_ms, cpu_ms_high=self.cpu_ms)


@dataclass(frozen=True, slots=True)
class ToBill:
    """An index and what it has to serve.

    Attributes:
        footprint: of the index.
        workload: what it has to serve.
        given: fields of the workload that somebody stated or measured.
        notes: how the footprint was found, where it was not measured.
        run: that it comes from; None for others.
    """

    footprint: Footprint
    workload: Workload
    given: frozenset[str]
    notes: tuple[str, ...] = ()
    run: Run | None = None


BY_TABLE = "Size and search time of the FAISS index are by formula and the table of scan costs; nothing was measured."
BY_BYTES = (
    "Search time of the FAISS index is that of reading every vector's bytes from RAM, as a float32 scan does: an index "
    "with lists or a graph takes less, one of table look-ups more (give --factory and --search, or --cpu-ms)."
)


def book_of_run(run: Run) -> PriceBook:
    """The prices that a run was billed with: the package's and, over them, its own.

    Raises:
        ArtifactError: ``run.json`` holds no readable prices.
    """
    return PriceBook.packaged().over(prices_of_run(run))


def own_prices_note(run: Run) -> tuple[str, ...]:
    """Say how many prices a run is billed with that are not the package's. Raises ArtifactError as `book_of_run`."""
    n_own = len(prices_of_run(run))
    if not n_own:
        return ()
    what = "1 price is" if n_own == 1 else f"{n_own} prices are"
    return (f"{what} the run's own, not the package's (`ragopt bill RUN --current-prices` takes today's).",)


def checked_against(whole: WholeBill, run: Run) -> WholeBill:
    """Warn where the bill of a run's recommendation is no longer the one that it was decided by."""
    decided = run.recommendation
    found = next((bill for bill in whole.targets if bill.target == decided.target), None)
    if found is None or found.usd_per_month == decided.bill.usd_per_month:
        return whole
    warning = (
        f"recommendation.json bills {decided.target} at USD {decided.bill.usd_per_month}, this version of ragopt at "
        f"USD {found.usd_per_month}: prices inside the package, or formulas, have changed. Sweep again to decide anew."
    )
    return replace(whole, warnings=(warning, *whole.warnings))


def what_to_bill(
    subject: Run | str | Path | None,
    given: Mapping[str, Value],
    described: Described,
    trial: str | None,
    *,
    tell_prices: bool = True,
) -> ToBill:
    """Find the footprint and the workload of a run, of an index on disk, or of one that is described.

    Args:
        subject: a run or its folder, an index folder or a FAISS file; None for one that is described.
        given: fields of the workload that were given.
        described: what is known of an index without a subject.
        trial: a printed trial of the run; None is the recommended one.
        tell_prices: whether the notes say that a run has prices of its own.

    Raises:
        InputError: a subject and a description, or neither; an unknown trial; no number of vectors.
        ArtifactError: the run is damaged.
    """
    if subject is None:
        if trial is not None:
            raise InputError(f"--trial {trial!r} names a trial of no run", next_step="Name the run folder too")
        n_vectors = given.get("n_vectors")
        if n_vectors is None:
            raise InputError("The number of vectors is not known",
                             next_step="Give --vectors, or corpus.n_vectors in a workload file")  # fmt: skip
        workload = workload_of(given, int(n_vectors))
        footprint = described.footprint(workload.at_average().n_vectors, k=results_per_query(workload))
        return ToBill(footprint, workload, frozenset(given), described.notes)
    if described != Described():
        raise InputError(f"{subject} has a size of its own",
                         next_step="Leave out --dim, --bytes, --factory and --cpu-ms beside it")  # fmt: skip
    if isinstance(subject, Run) or (Path(subject) / RUN_FILE).is_file():
        run = subject if isinstance(subject, Run) else read_run(Path(subject))
        result = result_of(run, trial)
        workload = workload_in_run(run, given, model=result.trial.space.model)
        stated = given_in_run(run) | frozenset(given)
        notes = own_prices_note(run) if tell_prices else ()
        return ToBill(footprint_in_run(run, result, workload), workload, stated, notes, run=run)
    footprint = footprint_of_index(Path(subject), k=results_per_query(workload_of(given, 1)))
    notes = (BY_TABLE if footprint.lists_probed or (Path(subject) / MANIFEST_FILE).is_file() else BY_BYTES,)
    workload = workload_of(given, footprint.n_vectors_measured)
    return ToBill(footprint, workload, frozenset({"n_vectors", *given}), notes)
