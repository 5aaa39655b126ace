"""Expected hours of a job that is interrupted at random and goes on from its last checkpoint.

Interruptions are a Poisson process with rate r per hour, mean time between them M = 1 / r; a job of W useful hours is
cut into n equal parts with a checkpoint of C hours between two parts (none after the last), and every interruption
costs the work since the last checkpoint and a restart of R hours, which can itself be interrupted. Then

    first start        (e^(rR) - 1) / r
    a part of x hours  e^(rR) (e^(rx) - 1) / r          with x = W / n + C, and W / n for the last part

The second line is Daly's complete cost function, M e^(R/M) (e^((t + C)/M) - 1) for each part of t useful hours (J. T.
Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps", Future Generation Computer Systems
22, 2006, doi:10.1016/j.future.2004.11.016), with the last checkpoint left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal

from ragopt.errors import InputError
from ragopt.units import HOURS_PER_MONTH

ONE = Decimal(1)

SMALLEST_RATE = Decimal("1e-9")
LARGEST_RATE = Decimal(3600)
"""Interruptions per hour that are taken, 0 apart: one in 114,000 years, one a second."""

MOST_WORK_HOURS = 10**6
"""114 years on one VM: a longer job is a slip of the keyboard."""

MOST_SECONDS = 10**7
"""Of one checkpoint or start: 116 days. An assumption, far beyond any disk."""

LEAST = Decimal("0.001")
"""Fewest hours of work, and seconds of one checkpoint: nothing shorter is worth a decision."""

MOST_EXPECTED_HOURS = 10**9
"""A job that is expected to run for longer, 114,000 years, is said to never finish: a thousand MOST_WORK_HOURS."""

MOST_EXPONENT = 60
"""e^60 / LARGEST_RATE is 3e22 hours, beyond MOST_EXPECTED_HOURS; far larger powers have no Decimal."""

RATE_STEP = Decimal("1e-6")
"""Relative width at which the search for the break-even rate ends."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What to expect of one job.

    Attributes:
        hours: expected hours that the VM runs, first start included; None beyond MOST_EXPECTED_HOURS: never done.
        n_parts: parts that the work is cut into; 1 means no checkpoint.
        part_hours: useful hours between two checkpoints.
        young_hours: the interval that Young's formula gives; None without interruptions.
        overhead_first_order: share of the useful hours that checkpoints, rework and restarts add, by Young's model.
    """

    hours: Decimal | None
    n_parts: int
    part_hours: Decimal
    young_hours: Decimal | None
    overhead_first_order: Decimal


def hourly_rate(monthly_share: Decimal) -> Decimal:
    """Interruptions per hour of a VM when `monthly_share` of the VMs are interrupted within a month of 730 hours.

    A constant hazard r leaves e^(-730 r) of them uninterrupted, so r = -ln(1 - share) / 730.

    >>> round(hourly_rate(Decimal("0.05")), 7)
    Decimal('0.0000703')
    """
    return -(ONE - monthly_share).ln() / HOURS_PER_MONTH


def young_interval(checkpoint_hours: Decimal, hours_between: Decimal) -> Decimal:
    """Young's interval between checkpoints, sqrt(2 C M).

    J. W. Young, "A first order approximation to the optimum checkpoint interval", Communications of the ACM 17(9),
    1974, doi:10.1145/361147.361115.

    >>> young_interval(Decimal(5), Decimal(1440))
    Decimal('120')
    """
    return (2 * checkpoint_hours * hours_between).sqrt()


def daly_interval(checkpoint_hours: Decimal, hours_between: Decimal) -> Decimal:
    """Daly's interval (2006): Young's with two terms more; M where a checkpoint takes 2 M or longer.

    >>> round(daly_interval(Decimal(5), Decimal(1440)))
    117
    """
    if checkpoint_hours >= 2 * hours_between:
        return hours_between
    ratio = checkpoint_hours / (2 * hours_between)
    return young_interval(checkpoint_hours, hours_between) * (1 + ratio.sqrt() / 3 + ratio / 9) - checkpoint_hours


def first_order_overhead(
    interval: Decimal, checkpoint_hours: Decimal, restart_hours: Decimal, rate: Decimal
) -> Decimal:
    """Young's model of what a useful hour costs more: C / T for checkpoints, T / 2M for rework, R / M for restarts."""
    return checkpoint_hours / interval + rate * interval / 2 + rate * restart_hours


def hours_in_parts(
    n_parts: int, work_hours: Decimal, checkpoint_hours: Decimal, restart_hours: Decimal, rate: Decimal
) -> Decimal:
    """Expected hours with the work cut into `n_parts`: the formulas above, exact for exponential times between.

    Infinity where a start or a part is longer than MOST_EXPONENT mean times between interruptions.

    >>> hours_in_parts(4, Decimal(8), Decimal("0.1"), Decimal("0.5"), Decimal(0))
    Decimal('8.8')
    """
    part = work_hours / n_parts
    if not rate:
        return restart_hours + work_hours + (n_parts - 1) * checkpoint_hours
    longest = part + checkpoint_hours if n_parts > 1 else part
    if rate * max(restart_hours, longest) > MOST_EXPONENT:
        return Decimal("Infinity")
    restart = (rate * restart_hours).exp()
    through = (n_parts - 1) * ((rate * longest).exp() - 1) + (rate * part).exp() - 1
    return (restart - 1 + restart * through) / rate


def expect(work_hours: Decimal, checkpoint_hours: Decimal, restart_hours: Decimal, rate: Decimal) -> Expectation:
    """Expected hours with the better of Young's and Daly's intervals, in whole parts.

    Young's alone is too short once a checkpoint takes a noticeable part of the time between interruptions.

    Args:
        work_hours: useful hours, above 0.
        checkpoint_hours: to write one checkpoint, above 0.
        restart_hours: to boot and load the last checkpoint.
        rate: interruptions per hour of running.
    """
    if not rate:
        plain = hours_in_parts(1, work_hours, checkpoint_hours, restart_hours, rate)
        return Expectation(plain, 1, work_hours, None, Decimal(0))
    young = young_interval(checkpoint_hours, 1 / rate)
    counts = {1}
    for interval in (young, daly_interval(checkpoint_hours, 1 / rate)):
        # Below a second between checkpoints the formula is far outside what a job can do.
        whole = int(work_hours / max(interval, Decimal(1) / 3600))
        counts |= {max(1, whole), whole + 1}
    hours, n_parts = min(
        (hours_in_parts(n, work_hours, checkpoint_hours, restart_hours, rate), n) for n in sorted(counts)
    )
    overhead = first_order_overhead(min(young, work_hours), checkpoint_hours, restart_hours, rate)
    finite = hours if hours <= MOST_EXPECTED_HOURS else None
    return Expectation(finite, n_parts, work_hours / n_parts, young, overhead)


@dataclass(frozen=True, slots=True)
class Job:
    """What is run: useful hours, and seconds of one checkpoint and of one start.

    Raises:
        InputError: hours, checkpoint or start out of their bounds.
    """

    work_hours: Decimal
    checkpoint_seconds: Decimal
    restart_seconds: Decimal

    def __post_init__(self) -> None:
        """Refuse a job that no machine runs."""
        for option, value, least, most, unit in (
            ("--hours", self.work_hours, LEAST, MOST_WORK_HOURS, "hours"),
            ("--checkpoint-seconds", self.checkpoint_seconds, LEAST, MOST_SECONDS, "seconds"),
            ("--restart-seconds", self.restart_seconds, 0, MOST_SECONDS, "seconds"),
        ):
            if not (value.is_finite() and least <= value <= most):
                raise InputError(f"{option} is {value}", allowed=f"{least} to {most:,} {unit}",
                                 next_step=f"Measure it and give {option}")  # fmt: skip

    def expect(self, rate: Decimal) -> Expectation:
        """What to expect at a rate of interruptions per hour."""
        return expect(self.work_hours, self.checkpoint_seconds / 3600, self.restart_seconds / 3600, rate)

    @property
    def undisturbed_hours(self) -> Decimal:
        """Hours that the job takes without any interruption or checkpoint: the work and one start."""
        return self.work_hours + self.restart_seconds / 3600


def break_even_rate(job: Job, discount: Decimal) -> Decimal | None:
    """Interruptions per hour above which on demand is cheaper, by bisection; None where it is at any rate.

    A job that never finishes costs more than any other, so that the search always ends.

    At the break-even, expected hours x (1 - discount) = useful hours + one start.
    """
    if discount <= 0:
        return None

    def spot_is_cheaper(rate: Decimal) -> bool:
        expected = job.expect(rate).hours
        return expected is not None and expected * (1 - discount) < job.undisturbed_hours

    least = most = SMALLEST_RATE
    while spot_is_cheaper(most):
        least, most = most, most * 10
    while most / least > 1 + RATE_STEP:
        middle = (least * most).sqrt()
        if spot_is_cheaper(middle):
            least = middle
        else:
            most = middle
    return six_digits(most)


def six_digits(value: Decimal) -> Decimal:
    """Round what a formula gives to six significant digits: no input is known better.

    >>> six_digits(Decimal("9.47376437"))
    Decimal('9.47376')
    """
    return Context(prec=6).plus(value)
