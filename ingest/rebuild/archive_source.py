"""An archive as a source of entries, as if its events had just arrived."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Final

from msgspec import Struct, field

from sidedata.events.decode import MAX_ENTRY_EVENTS
from sidedata.ingest.archive.lines import Line
from sidedata.reads.servers import read_time_ms
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Entry
from sidedata.schema.keys import Keyspace

MAX_LISTED: Final = 20  # unreadable lines in a report
_READ_BYTES: Final = 4 << 20  # of lines that are in memory at once, about
# Redis numbers the entries of a stream from 0 within a millisecond, and no stream reaches this number. So an event of the archive
# never has the id of an event that arrives.
_FIRST_NUMBER: Final = 1 << 63


class ArchiveProgress(Struct):
    """The lines of an archive that were read so far; `unreadable_lines` holds the first 20 unreadable ones."""

    events: int = 0  # of the organization
    others: int = 0  # lines of other organizations, or of none
    unreadable: int = 0
    unreadable_lines: list[Line] = field(default_factory=list)


class ArchiveSource:
    """The lines of an archive that belong to an organization; see `sidedata.ingest.apply.reader.EntrySource`.

    Args:
        read_events: number of events to one read.
        progress: called after each read.
    """

    def __init__(
        self,
        gateway: Gateway,
        keyspace: Keyspace,
        lines: Iterator[Line],
        organization: str,
        read_events: int,
        progress: Callable[[ArchiveProgress], None],
    ) -> None:
        self.progress = ArchiveProgress()
        self.has_more = False  # the last read brought events
        self._gateway = gateway
        self._keyspace = keyspace
        self._lines = lines
        self._organization = organization
        self._read_events = read_events
        self._report_progress = progress
        self._numbers = count(_FIRST_NUMBER)

    async def read(self, block_ms: int | None) -> Sequence[Entry]:
        """Read the next events as entries of this instant; empty at the archive's end.

        Raises:
            ArchiveError: the archive can't be read on.
            StoreUnavailableError: Redis is out of reach.
        """
        del block_ms  # the archive alone decides how long a read takes
        # In a thread: an archive that comes through a pipe may block, and the lease must be renewed.
        raws = await asyncio.to_thread(self._next_events)
        self._report_progress(self.progress)
        self.has_more = bool(raws)
        if not raws:
            return ()
        now_ms = await read_time_ms(self._gateway, self._keyspace)
        chunks = [raws[first : first + MAX_ENTRY_EVENTS] for first in range(0, len(raws), MAX_ENTRY_EVENTS)]
        return [
            (f"{now_ms}-{next(self._numbers)}".encode(), [b"events", b"[%b]" % b",".join(chunk)]) for chunk in chunks
        ]

    def _next_events(self) -> list[bytes]:
        """Events of the organization for one batch; none at the archive's end."""
        raws: list[bytes] = []
        size = 0
        progress = self.progress
        for line in self._lines:
            if line.organization not in (None, self._organization):
                progress.others += 1
            elif line.problem is not None:
                progress.unreadable += 1
                if len(progress.unreadable_lines) < MAX_LISTED:
                    progress.unreadable_lines.append(line)
            elif line.organization is None:
                progress.others += 1
            else:
                raws.append(line.raw)
                size += len(line.raw)
                if len(raws) >= self._read_events or size >= _READ_BYTES:
                    break
        progress.events += len(raws)
        return raws
