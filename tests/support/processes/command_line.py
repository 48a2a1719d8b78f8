"""The command line run in the process of a test, and its one line on stderr."""

from collections.abc import Callable

from click.testing import Result

LIMIT_SECONDS = 30.0
Sidedata = Callable[..., Result]


def one_line(result: Result) -> str:
    """The one line on stderr, given that nothing went to stdout."""
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr
