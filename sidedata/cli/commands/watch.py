"""`sidedata inspect --watch`: the state of the partitions, refreshed each second."""

import asyncio
import contextlib
import shutil
import sys
from collections import deque
from typing import Final

import click
import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sidedata.cli.commands.answering import open_answering_store
from sidedata.errors import StoreUnavailableError, UsageError
from sidedata.inspect.overview import Overview, read_overview
from sidedata.reads.partitions import PartitionState
from sidedata.settings import Settings

_SECONDS: Final = 1.0
_RATE_SAMPLES: Final = 5  # intervals that a rate averages over, so that batches don't make it jump
_FRAME_LINES: Final = 5  # of a screen that are not rows of partitions
_LATE_SECONDS: Final = 5.0


class Rates:
    """Events a second of each partition, over the last few overviews."""

    def __init__(self) -> None:
        self._overviews: deque[tuple[float, Overview]] = deque(maxlen=_RATE_SAMPLES + 1)

    def add(self, now: float, overview: Overview) -> list[float]:
        """Add an overview and return events a second for each partition, 0 for the first overview."""
        self._overviews.append((now, overview))
        start, first = self._overviews[0]
        seconds = now - start
        if not seconds:
            return [0.0] * len(overview.states)
        # A count that went down belongs to another store: a flushed one, or a restored backup.
        return [
            max(0, state.events_applied - before.events_applied) / seconds
            for before, state in zip(first.states, overview.states, strict=True)
        ]


async def watch(settings: Settings, *, as_json: bool) -> None:
    """Show an overview each second until the task is cancelled; while Redis is out of reach, say so and continue.

    Raises:
        UsageError: stdout is no terminal, and `as_json` is false.
    """
    if not as_json and not sys.stdout.isatty():
        raise UsageError("--watch draws on a terminal; with --json it prints an object a line")
    loop = asyncio.get_running_loop()
    rates = Rates()
    async with open_answering_store(settings) as (gateway, installation):
        with (
            Live(console=Console(), screen=True, auto_refresh=False)
            if not as_json
            else contextlib.nullcontext() as live
        ):
            overview: Overview | None = None
            while True:
                failure, rate = "", [0.0] * installation.partitions
                try:
                    overview = await read_overview(gateway, installation, settings)
                    rate = rates.add(loop.time(), overview)
                except StoreUnavailableError as error:
                    failure = str(error)
                if live is not None:
                    live.update(frame(overview, rate, failure, shutil.get_terminal_size().lines), refresh=True)
                elif overview is not None and not failure:
                    fields = msgspec.structs.asdict(overview) | {"events_per_second": round(sum(rate), 1)}
                    click.echo(msgspec.json.encode(fields))
                else:
                    click.echo(failure, err=True)
                await asyncio.sleep(_SECONDS)


def frame(overview: Overview | None, rates: list[float], failure: str, lines: int) -> Group:
    """Draw one frame; where the screen is too low for all partitions, it shows the most urgent ones, in order."""
    if overview is None:
        return Group(Text(failure, style="bold red"))
    rows = list(zip(overview.states, rates, strict=True))
    room = max(1, lines - _FRAME_LINES)
    hidden_rows = len(rows) - room
    if hidden_rows > 0:
        rows = sorted(rows, key=lambda row: _urgency(*row), reverse=True)[:room]
        rows.sort(key=lambda row: row[0].partition)
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for heading in ("partition", "owner", "waiting", "lag (s)", "events/s", "applied", "dead"):
        table.add_column(heading, justify="left" if heading == "owner" else "right", no_wrap=True)
    for state, rate in rows:
        late = state.lag_seconds > _LATE_SECONDS
        table.add_row(
            str(state.partition),
            Text(state.owner or "none", style="" if state.owner else "bold red"),
            f"{state.lag_entries:,}",
            Text(f"{state.lag_seconds:.1f}", style="bold red" if late else ""),
            f"{rate:,.0f}",
            f"{state.events_applied:,}",
            Text(f"{state.dead_letters:,}", style="yellow" if state.dead_letters else ""),
        )
    sums = Text(
        f"partitions: {overview.partitions}, workers: {overview.workers}, events/s: {sum(rates):,.0f}, "
        f"entries to apply: {overview.lag_entries:,}, the oldest: {overview.lag_seconds:.1f} s, "
        f"dead letters: {overview.dead_letters:,}"
        + (f"; {hidden_rows} quieter partitions not shown" if hidden_rows > 0 else ""),
        style="bold",
    )
    last = Text(failure, style="bold red") if failure else Text("Ctrl-C ends", style="dim")
    return Group(sums, table, last)


def _urgency(state: PartitionState, rate: float) -> tuple[bool, float, float, int]:
    return not state.owner, state.lag_seconds, rate, state.dead_letters
