"""What is printed to a pipe or a file: the same lines as in a terminal, without the blanks that fill up its width."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console


def print_trimmed(console: Console, show: Callable[[Console], None]) -> None:
    """Print, to a terminal as it comes, else with no blanks at the ends of lines.

    Args:
        console: where to print.
        show: what prints on it.
    """
    if console.is_terminal:
        show(console)
        return
    with console.capture() as captured:
        show(console)
    # Not splitlines(): a name may hold what it takes for a line's end.
    console.file.write("\n".join(line.rstrip(" ") for line in captured.get().split("\n")))
