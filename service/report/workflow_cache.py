"""What a service process keeps of a workflow, and how it stays right.

A `View` holds parts of buckets, sketches as `hyperloglog` keeps them, all as of one revision of the workflow. A refresh asks
Redis, in one reading, for what is missing; if the workflow has changed it brings along the parts that may have (their bucket has
not ended long ago) and the names of the buckets that did change, so that the others of those are dropped:

    asker ─▶ wait for a refresh that starts after I came ─▶ all I need is here: assemble      (no await in between)
                    ▲                                          └─ something is not: once more
                    └── one refresh at a time for all askers of the workflow

So a thousand dashboards on one workflow cost Redis as many refreshes as it can answer one after another, and while nothing
changes each of those is a look at two small hashes.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import get_args

from msgspec import Struct

from sidedata.calendar.tiling import Run
from sidedata.calendar.zones import zone
from sidedata.errors import StoreUnavailableError
from sidedata.events.decode import Kind
from sidedata.hyperloglog import unpack
from sidedata.reads.workflow_parts import Data, Goals, Part, Reading, What, newest, read
from sidedata.redis.client import Client
from sidedata.schema.installation import Installation
from sidedata.service.report.assemble import SESSIONS, VISITORS, RimFigures, day_sums
from sidedata.service.report.merged_runs import WHATS, Merged, Needs, Piece, Unions, parts_of

# How long after its end a bucket is still asked for along with every change: late events are rare, not unheard of.
_OPEN_SECONDS = 900
_LENGTH = {"5min": 300, "hour": 3600, "day": 90_000}
# Parts to ask for in one reading. Redis brings as many of them as are short work; the next question is cut to that.
_MOST_PARTS = 400

# A refresh that takes longer is given up: every answer is due within a second.
_PATIENCE_SECONDS = 0.75


class Answer(Struct, frozen=True):
    """A ready answer: its JSON, a quoted strong entity tag, and the effective interval."""

    body: bytes
    etag: str
    effective: str


class View:
    """One workflow as of `revision`."""

    def __init__(self, organization_id: str, workflow_id: str, most_union_bytes: int = 1 << 26) -> None:
        self.organization_id = organization_id
        self.workflow_id = workflow_id
        self.timezone: str | None = None  # None: nothing was read yet
        self.kind: Kind | None = None
        self.revision: int | None = None
        self.fence = 0  # of the owner that committed the revision
        self.names_revision: int | None = None
        self.names: dict[str, str] = {}
        self.parts: dict[Part, Piece] = {}
        self.rows: dict[str, int] = {}  # of goals' visitors by `<role>:<goal>`; their sessions have the next row
        self.answers: dict[tuple[int, int], Answer] = {}
        self.rims: dict[tuple[Run, ...], RimFigures] = {}  # as of `revision`
        self._unions = Unions(self.parts, most_union_bytes)
        self._size = 0  # of the parts
        self._most_parts = _MOST_PARTS
        self._waiting: list[tuple[asyncio.Future[None], Needs]] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return self._size + self._unions.size

    def counts(self, day: int) -> Mapping[str, int]:
        """The counts stored of the day that starts then."""
        return self.parts[Part("day", day, "counts")].counts

    def merge(self, runs: Sequence[Run], rows: range) -> Merged:
        """Runs of which all parts are here, merged into those rows."""
        return self._unions.merged(runs, WHATS[self.kind or ""], rows)

    def clear(self) -> None:
        """Know nothing any more."""
        self.revision = self.names_revision = self.timezone = None
        self.parts.clear()
        self.answers.clear()
        self.names.clear()
        self.rows.clear()
        self.rims.clear()
        self._unions.clear()
        self._size = 0

    async def refresh(self, client: Client, installation: Installation, needed: Needs, now: float) -> None:
        """Wait for a refresh that starts from now on and reads, of what is needed, as much as fits.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, needed))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve(client, installation, now))
        await future

    async def _serve(self, client: Client, installation: Installation, now: float) -> None:
        """Refresh for as long as somebody waits."""
        while self._waiting:
            # Questions that have come in by now, and are still to be read, share the look at Redis: on a busy service it serves
            # twice as many.
            await asyncio.sleep(0)
            served, self._waiting = self._waiting, []
            # Askers of one interval bring one and the same.
            asked = {id(needed): needed for _, needed in served}
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._refresh_once(client, installation, asked.values(), now)
            except (StoreUnavailableError, TimeoutError) as error:
                # A Redis that comes back may have lost its last moments, with revisions that we know.
                self.clear()
                # Who came meanwhile has waited too, and would wait as long again.
                served, self._waiting = served + self._waiting, []
                _settle(served, StoreUnavailableError(f"Redis did not answer in time: {error}"))
            except BaseException as error:
                self.clear()
                _settle(served, error)
                raise
            else:
                _settle(served, None)

    def has(self, needed: Needs) -> bool:
        """Whether all of it is here."""
        return not self._lacking(needed)

    def _lacking(self, needed: Needs) -> list[Part]:
        runs = [run for run in needed.runs if not self._unions.has(run)]
        wanted = [part for run in runs for part in parts_of(run, self.kind or "")]
        return [part for part in (*wanted, *needed.alone) if part not in self.parts]

    async def _refresh_once(
        self, client: Client, installation: Installation, asked: Collection[Needs], now: float
    ) -> None:
        lacking = [part for needed in asked for part in self._lacking(needed)]
        if not lacking and await self._is_newest(client, installation):
            return
        missing = list(dict.fromkeys(lacking))[: self._most_parts]
        may_change = dict.fromkeys(part for needed in asked for part in self._open_parts(needed, now - _OPEN_SECONDS))
        reading = await self._read(client, installation, missing, tuple(may_change), self.names)
        self._most_parts = _MOST_PARTS if len(reading.data) >= len(missing) else 2 * len(reading.data) + 1
        self._apply(reading)

    def _open_parts(self, needed: Needs, recent: float) -> Iterator[Part]:
        """Those that are here and whose bucket has not ended long ago."""
        for run in needed.runs:
            if run.starts[-1] + _LENGTH[run.level] > recent:
                yield from (
                    part
                    for part in parts_of(run, self.kind or "")
                    if part.start + _LENGTH[part.level] > recent and part in self.parts
                )
        yield from (part for part in needed.alone if part.start + _LENGTH[part.level] > recent and part in self.parts)

    async def _is_newest(self, client: Client, installation: Installation) -> bool:
        """Whether nothing has changed: the question that polls ask nearly always."""
        if self.revision is None:
            return False
        seen = (self.timezone, self.kind, self.revision, self.names_revision)
        return await newest(client, installation, self.organization_id, self.workflow_id) == seen

    async def _read(
        self,
        client: Client,
        installation: Installation,
        missing: Sequence[Part],
        open_parts: Sequence[Part],
        goals: Iterable[str],
    ) -> Reading:
        return await read(
            client,
            installation,
            self.organization_id,
            self.workflow_id,
            revision=self.revision,
            names=self.names_revision,
            missing=missing,
            open_parts=open_parts,
            goals=goals,
        )

    def _apply(self, reading: Reading) -> None:
        """Move on to the revision that was read."""
        if self.revision is not None and reading.revision != self.revision:
            # The log of changes names the newest ones only, and none at all after a purge or a restored backup. Nor does it
            # name those of an owner before: in a crash or a failover some of what we have read may have been lost.
            complete = reading.changes_from <= self.revision < reading.revision and bool(reading.changed)
            if not complete or reading.fence != self.fence:
                self.clear()
            for level, start in reading.changed:
                for what in get_args(What):
                    self._drop(Part(level, start, what))
            self._unions.forget(reading.changed)
        if reading.timezone != self.timezone:
            self.clear()
        if reading.revision != self.revision or reading.names != self.names_revision:
            self.answers.clear()
            self.rims.clear()
        self.timezone, self.kind = reading.timezone, reading.kind
        self.revision, self.fence, self.names_revision = reading.revision, reading.fence, reading.names
        self.names.update(reading.goals)
        self._unions.forget((part.level, part.start) for part in reading.data if part in self.parts)
        for part, piece in zip(reading.data, self._pieces(reading.data), strict=True):
            self._drop(part)
            self.parts[part] = piece
            self._size += piece.size

    def _drop(self, part: Part) -> None:
        if part in self.parts:
            self._size -= self.parts.pop(part).size

    def _pieces(self, read_data: Mapping[Part, Data]) -> list[Piece]:
        """What is kept of each."""
        stacks = unpack([self._sketches(part, data) for part, data in read_data.items()])
        pieces = []
        for (part, data), stack in zip(read_data.items(), stacks, strict=True):
            counts = data.counts if isinstance(data, Goals) else data if isinstance(data, dict) else {}
            is_day = part.what == "counts"
            sums = day_sums(counts, zone(self.timezone or "UTC").day(part.start).weekday) if is_day else counts
            pieces.append(Piece(counts, sums, None if is_day else stack))
        return pieces

    def _sketches(self, part: Part, data: Data) -> list[tuple[int, bytes]]:
        """The sketches of a part by their rows."""
        if isinstance(data, bytes):
            return [(VISITORS if part.what == "visitors" else SESSIONS, data)]
        found: list[tuple[int, bytes]] = []
        if isinstance(data, Goals):
            for field, sketches in data.sketches.items():
                row = self.rows.setdefault(field, VISITORS + 1 + 2 * len(self.rows))
                found += [(row + place, sketch) for place, sketch in enumerate(sketches) if sketch is not None]
        return sorted(found)


def _settle(served: Iterable[tuple[asyncio.Future[None], Needs]], error: BaseException | None) -> None:
    for future, _ in served:
        if future.done():
            continue  # the asker has gone
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
