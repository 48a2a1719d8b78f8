"""`sidedata inspect --watch`: the partitions as they are now, drawn anew each second."""

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

from sidedata.cli.connection import opened
from sidedata.errors import StoreUnavailableError, UsageError
from sidedata.inspect.overview import Overview, PartitionState, read_overview
from sidedata.settings import Settings

_SECONDS: Final = 1.0
_RATE_LOOKS: Final = 5  # a rate is over so many looks, so that batches don't make it jump
_FRAME_LINES: Final = 8  # of a screen that are not rows of partitions
_LATE_SECONDS: Final = 5.0


class Rates:
    """Events a second of each partition, over the last few looks."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Overview]] = deque(maxlen=_RATE_LOOKS + 1)

    def add(self, now: float, overview: Overview) -> list[float]:
        """Take a look in; events a second for each partition, 0 at the first look."""
        self._looks.append((now, overview))
        then, first = self._looks[0]
        seconds = now - then
        if not seconds:
            return [0.0] * len(overview.states)
        # A count that went down is that of another store: flushed, or an older one restored.
        return [
            max(0, state.events_applied - before.events_applied) / seconds
            for before, state in zip(first.states, overview.states, strict=True)
        ]


async def watch(settings: Settings, *, as_json: bool) -> None:
    """Look each second, for ever; while Redis is out of reach, say so and go on.

    Raises:
        UsageError: stdout is no terminal, and JSON was not asked for.
    """
    if not as_json and not sys.stdout.isatty():
        raise UsageError("--watch draws on a terminal; with --json it prints an object a line")
    loop = asyncio.get_running_loop()
    rates = Rates()
    async with opened(settings) as (client, installation):
        with (
            Live(console=Console(), screen=True, auto_refresh=False)
            if not as_json
            else contextlib.nullcontext() as live
        ):
            shown: Overview | None = None
            while True:
                fault, rate = "", [0.0] * installation.partitions
                try:
                    shown = await read_overview(client, installation, settings)
                    rate = rates.add(loop.time(), shown)
                except StoreUnavailableError as error:
                    fault = str(error)
                if live is not None:
                    live.update(frame(shown, rate, fault, shutil.get_terminal_size().lines), refresh=True)
                elif shown is not None and not fault:
                    fields = msgspec.structs.asdict(shown) | {"events_per_second": round(sum(rate), 1)}
                    click.echo(msgspec.json.encode(fields))
                else:
                    click.echo(fault, err=True)
                await asyncio.sleep(_SECONDS)


def frame(overview: Overview | None, rates: list[float], fault: str, lines: int) -> Group:
    """One picture; where the screen is too low for all partitions, those with most to tell come first."""
    if overview is None:
        return Group(Text(fault, style="bold red"))
    places = list(zip(overview.states, rates, strict=True))
    room = max(1, lines - _FRAME_LINES)
    hidden = len(places) - room
    if hidden > 0:
        places = sorted(places, key=lambda place: _urgency(*place), reverse=True)[:room]
        places.sort(key=lambda place: place[0].partition)
    table = Table()
    for heading in ("partition", "owner", "lag (entries)", "lag (s)", "events/s", "events applied", "dead letters"):
        table.add_column(heading, justify="left" if heading == "owner" else "right", no_wrap=True)
    for state, rate in places:
        late = state.lag_seconds > _LATE_SECONDS
        table.add_row(
            str(state.partition),
            Text(state.owner or "nobody", style="" if state.owner else "bold red"),
            f"{state.lag_entries:,}",
            Text(f"{state.lag_seconds:.1f}", style="bold red" if late else ""),
            f"{rate:,.0f}",
            f"{state.events_applied:,}",
            Text(f"{state.dead_letters:,}", style="yellow" if state.dead_letters else ""),
        )
    sums = Text(
        f"{overview.partitions} partitions, {overview.workers} workers, {sum(rates):,.0f} events/s, "
        f"{overview.lag_entries:,} entries to apply, the oldest {overview.lag_seconds:.1f} s old, "
        f"{overview.dead_letters:,} dead letters" + (f"; {hidden} quieter partitions not shown" if hidden > 0 else ""),
        style="bold",
    )
    last = Text(fault, style="bold red") if fault else Text("Ctrl-C ends", style="dim")
    return Group(sums, table, last)


def _urgency(state: PartitionState, rate: float) -> tuple[bool, float, float, int]:
    return not state.owner, state.lag_seconds, rate, state.dead_letters
