"""An archive as a source of entries, as if its events had just arrived."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Final

from sidedata.batched import batched
from sidedata.events.decode import MAX_ENTRY_EVENTS
from sidedata.events.json_array import join_array
from sidedata.ingest.archive.lines import Line
from sidedata.ingest.archive.report import ArchiveReport
from sidedata.reads.servers import read_time_ms
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Entry
from sidedata.schema.keys import Keyspace

_READ_BYTES: Final = 4 << 20  # of lines that are in memory at once, about
# Redis numbers the entries of a stream from 0 within a millisecond, and no stream reaches this number. So an event of the archive
# never has the id of an event that arrives.
_FIRST_NUMBER: Final = 1 << 63


class ArchiveSource:
    """The lines of an archive that belong to an organization; see `sidedata.ingest.apply.reader.EntrySource`.

    Args:
        progress: called after each read.
    """

    def __init__(
        self,
        gateway: Gateway,
        keyspace: Keyspace,
        lines: Iterator[Line],
        organization: str,
        progress: Callable[[ArchiveReport], None],
    ) -> None:
        self.report = ArchiveReport()
        self.has_more = False  # the last read brought events
        self._gateway = gateway
        self._keyspace = keyspace
        self._lines = lines
        self._organization = organization
        self._report_progress = progress
        self._numbers = count(_FIRST_NUMBER)

    async def read(self, block_ms: int | None, most: int) -> Sequence[Entry]:
        """Read the next events as entries of this instant; empty at the archive's end.

        Raises:
            ArchiveError: the archive can't be read on.
            StoreUnavailableError: Redis is out of reach.
        """
        del block_ms  # the archive alone decides how long a read takes
        # In a thread: an archive that comes through a pipe may block, and the lease must be renewed.
        raws = await asyncio.to_thread(self._next_events, most)
        self._report_progress(self.report)
        self.has_more = bool(raws)
        if not raws:
            return ()
        now_ms = await read_time_ms(self._gateway, self._keyspace)
        return [
            (f"{now_ms}-{next(self._numbers)}".encode(), [b"events", join_array(chunk)])
            for chunk in batched(raws, MAX_ENTRY_EVENTS)
        ]

    def _next_events(self, most: int) -> list[bytes]:
        """Events of the organization for one batch; none at the archive's end."""
        raws: list[bytes] = []
        size = 0
        report = self.report
        for line in self._lines:
            if line.organization not in (None, self._organization):
                report.others += 1
            elif line.problem is not None:
                report.add_unreadable(line)
            elif line.organization is None:
                report.others += 1
            else:
                raws.append(line.raw)
                size += len(line.raw)
                if len(raws) >= most or size >= _READ_BYTES:
                    break
        report.events += len(raws)
        return raws
