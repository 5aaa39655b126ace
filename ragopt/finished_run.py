"""A finished run as users hold it: read from its folder, drawn in a notebook, written as page, picture and markdown.

`ragopt.records` is the ground floor and cannot draw. `ragopt.Run` is its record with the verbs of the report, which
load the drawing libraries when they are called. `write_report` is a method, not `ragopt.report`: that name is the room
where the report is made, and a report is always one of a run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ragopt import records

if TYPE_CHECKING:
    from typing import Self

    import altair as alt

    from ragopt.cache.advice import CacheAdvice


class Run(records.Run):
    """A finished run: the content of ``run.json``, its trials and its recommendation.

    Every ``..._chart`` gives an Altair chart with its data inside, which a notebook shows. ``narrow=True`` draws it at
    most 350 pixels wide; ``titled=False`` leaves title and caption out of the picture. It raises InputError with the
    reason where this run lacks the numbers.

    Attributes:
        folder: the run folder, as the user named it.
        info: the content of ``run.json``.
        trials: one result per trial, in grid order.
        recommendation: the decision.
        path: the folder as an absolute path.

    Example:
        ``ragopt.Run.read("ragopt-run").frontier_chart()``
    """

    __slots__ = ()

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read the finished run in a folder.

        Raises:
            InputError: there is no finished run in this folder.
            ArtifactError: it was written by another version, or a file of it is damaged.
        """
        from ragopt.sweep.run_folder import read_run  # noqa: PLC0415 - loaded when first used

        return cls.of(read_run(Path(folder)))

    @classmethod
    def of(cls, run: records.Run) -> Self:
        """Give a run these verbs."""
        found = cls(run.folder, run.info, run.trials, run.recommendation)
        object.__setattr__(found, "path", run.path)  # the working directory may be another by now
        return found

    @property
    def cache(self) -> CacheAdvice | None:
        """Which caches to put around the recommended index; None where no query log was replayed.

        Raises:
            ArtifactError: the advice is of another version, or was changed.
        """
        from ragopt.sweep.kept_cache import cache_of  # noqa: PLC0415 - loaded when first used

        return cache_of(self)

    def write_report(
        self,
        *,
        html: str | Path | None = None,
        png: str | Path | None = None,
        svg: str | Path | None = None,
        md: str | Path | None = None,
        chart: str | None = None,
    ) -> tuple[Path, ...]:
        """Write the report as files, each whole or not at all; nothing is written when one of them cannot be made.

        Args:
            html: the page, one file that fetches nothing.
            png: one chart as a picture.
            svg: the same chart as SVG.
            md: the summary for a pull request; it links to `png`, or else to the run folder's ``frontier.png``.
            chart: name of the chart for `png` and `svg`; None is the frontier.

        Returns:
            The files that were written, in the order above.

        Raises:
            InputError: a file's suffix or folder, or a chart that this run has no numbers for.
            ArtifactError: no trial of the run was measured.
            StorageError: a file cannot be written.
        """
        from ragopt.report.outputs import write_report  # noqa: PLC0415 - loaded when first used

        files = {kind: Path(file) for kind, file in zip(("html", "png", "svg", "md"), (html, png, svg, md), strict=True)
                 if file is not None}  # fmt: skip
        return write_report(self, files, chart=chart)

    def markdown(self) -> str:
        """The summary for a pull request as text, without a picture. Raises ArtifactError: no trial was measured."""
        from ragopt.report.markdown import markdown_of  # noqa: PLC0415 - loaded when first used

        return markdown_of(self)

    def chart(self, name: str, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """Draw one of the charts of `ragopt.report.figures.FIGURES`.

        Raises:
            InputError: there is no chart of this name, or this run has no numbers for it.
        """
        from ragopt.report.figure import NoFigure  # noqa: PLC0415 - loaded when first used
        from ragopt.report.figures import figure_of, no_numbers  # noqa: PLC0415 - loaded when first used

        figure = figure_of(self, name)
        if isinstance(figure, NoFigure):
            raise no_numbers(self, figure)
        return figure.draw(narrow=narrow, titled=titled)

    def frontier_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """Quality against USD per month, or RAM bytes per vector where the bills tie: one mark per measured trial."""
        return self.chart("frontier", narrow=narrow, titled=titled)

    def dimensions_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """Quality against dimension, by truncation and by PCA, for each model."""
        return self.chart("dimensions", narrow=narrow, titled=titled)

    def codecs_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """Quality against bytes per vector, for each kind of codec."""
        return self.chart("codecs", narrow=narrow, titled=titled)

    def rescoring_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """Quality and latency against the number of candidates that are rescored."""
        return self.chart("rescoring", narrow=narrow, titled=titled)

    def estimates_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """What was estimated of each built finalist beside what was measured."""
        return self.chart("estimates", narrow=narrow, titled=titled)

    def bill_lines_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """The monthly bills of the recommendation and of the baseline, by part."""
        return self.chart("bill_lines", narrow=narrow, titled=titled)

    def targets_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """The recommended index's monthly bill at every target."""
        return self.chart("targets", narrow=narrow, titled=titled)

    def crossovers_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """The monthly bill of each target as the vectors grow, and where the cheapest one changes."""
        return self.chart("crossovers", narrow=narrow, titled=titled)

    def tornado_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """The inputs that move the recommended bill most."""
        return self.chart("tornado", narrow=narrow, titled=titled)

    def cache_hits_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """What each cache hits at every size, policy by policy; see `cache`."""
        return self.chart("cache_hits", narrow=narrow, titled=titled)

    def cache_marginal_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """What another GB of each cache would save, against the price of a GB-month of RAM."""
        return self.chart("cache_marginal", narrow=narrow, titled=titled)

    def cache_savings_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """A waterfall from the month without caches to the month with the recommended ones."""
        return self.chart("cache_savings", narrow=narrow, titled=titled)

    def cache_ttl_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """What the cache of exact answers hits under each TTL."""
        return self.chart("cache_ttl", narrow=narrow, titled=titled)

    def cache_false_hits_chart(self, *, narrow: bool = False, titled: bool = True) -> alt.LayerChart:
        """The upper bound of a semantic cache's false-hit rate at each threshold."""
        return self.chart("cache_false_hits", narrow=narrow, titled=titled)
