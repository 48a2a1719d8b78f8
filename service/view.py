"""What a service process keeps of a workflow, and how it stays right.

A `View` holds parts of buckets, sketches already unpacked, all as of one revision of the workflow. A refresh asks Redis, in one
round trip, for what is missing; if the workflow has changed it brings along the parts that may have (their bucket has not ended
long ago) and the names of the buckets that did change, so that the others of those are dropped:

    asker ─▶ wait for a refresh that starts after I came ─▶ all I need is here: assemble      (no await in between)
                    ▲                                          └─ something is not: once more
                    └── one refresh at a time for all askers of the workflow

So a thousand dashboards on one workflow cost Redis as many refreshes as it can answer one after another, and while nothing
changes each of those is a look at two small hashes.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from service.assemble import GoalParts
from store.client import Client
from store.errors import StoreUnavailableError
from store.events import Kind
from store.installation import Installation
from store.read import Data, Goals, Part, Reading, read
from store.sketch import Sketch, unpack

# How long after its end a bucket is still asked for along with every change: late events are rare, not unheard of.
_OPEN_SECONDS = 900
_LENGTH = {"5min": 300, "hour": 3600, "day": 90_000}
# Parts of one round trip; more would keep Redis from others for too long. A goals part may bring many sketches.
_MOST_PARTS = 160
_WEIGHT = {"visitors": 1, "sessions": 1, "counts": 1, "goals": 4}

# A refresh that takes longer is given up: every answer is due within a second.
_PATIENCE_SECONDS = 0.75

Kept = Sketch | GoalParts | dict[str, int] | None


class Answer(Struct, frozen=True):
    """A ready answer: its JSON, a quoted strong entity tag, and the effective interval."""

    body: bytes
    etag: str
    effective: str


class View:
    """One workflow as of `revision`."""

    def __init__(self, organization_id: str, workflow_id: str) -> None:
        self.organization_id = organization_id
        self.workflow_id = workflow_id
        self.timezone: str | None = None  # None: nothing was read yet
        self.kind: Kind | None = None
        self.revision: int | None = None
        self.fence = 0  # of the owner that committed the revision
        self.names_revision: int | None = None
        self.names: dict[str, str] = {}
        self.parts: dict[Part, Kept] = {}
        self.answers: dict[tuple[int, int], Answer] = {}
        self.size = 0
        self._waiting: list[tuple[asyncio.Future[None], Iterable[Part]]] = []
        self._task: asyncio.Task[None] | None = None

    def sketch(self, part: Part) -> Sketch | None:
        """A part that is a sketch."""
        kept = self.parts[part]
        assert kept is None or isinstance(kept, Sketch)  # noqa: S101 - `apply` keeps them by kind
        return kept

    def counts(self, part: Part) -> Mapping[str, int]:
        """A part that is counts."""
        kept = self.parts[part]
        assert isinstance(kept, dict)  # noqa: S101 - `apply` keeps them by kind
        return kept

    def goals(self, part: Part) -> GoalParts:
        """A part that is counts and the goals' sketches."""
        kept = self.parts[part]
        assert isinstance(kept, GoalParts)  # noqa: S101 - `apply` keeps them by kind
        return kept

    def clear(self) -> None:
        """Know nothing any more."""
        self.revision = self.names_revision = self.timezone = None
        self.parts.clear()
        self.answers.clear()
        self.names.clear()
        self.size = 0

    async def refresh(self, client: Client, installation: Installation, needed: Iterable[Part], now: float) -> None:
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
            served, self._waiting = self._waiting, []
            # Askers of one interval bring one and the same tuple.
            asked = {id(needed): needed for _, needed in served}
            wanted = dict.fromkeys(part for needed in asked.values() for part in needed)
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._refresh_once(client, installation, list(wanted), now)
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

    async def _refresh_once(
        self, client: Client, installation: Installation, wanted: Sequence[Part], now: float
    ) -> None:
        if all(part in self.parts for part in wanted) and await self._is_newest(client, installation):
            return
        missing: list[Part] = []
        room = _MOST_PARTS
        for part in wanted:
            if part not in self.parts:
                missing.append(part)
                room -= _WEIGHT[part.what]
                if room <= 0:
                    break
        recent = now - _OPEN_SECONDS
        may_change = [part for part in wanted if part in self.parts and part.start + _LENGTH[part.level] > recent]
        self._apply(await self._read(client, installation, missing, may_change, self.names))

    async def _is_newest(self, client: Client, installation: Installation) -> bool:
        """Whether nothing has changed: the question that polls ask nearly always, in the fewest words."""
        if self.revision is None:
            return False
        reading = await self._read(client, installation, (), (), ())
        seen = (reading.timezone, reading.kind, reading.revision, reading.names)
        return seen == (self.timezone, self.kind, self.revision, self.names_revision)

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
            for part in [part for part in self.parts if (part.level, part.start) in reading.changed]:
                self._drop(part)
        if reading.timezone != self.timezone:
            self.clear()
        if reading.revision != self.revision or reading.names != self.names_revision:
            self.answers.clear()
        self.timezone, self.kind = reading.timezone, reading.kind
        self.revision, self.fence, self.names_revision = reading.revision, reading.fence, reading.names
        self.names.update(reading.goals)
        for part, data in reading.data.items():
            self._drop(part)
            kept, size = _keep(data)
            self.parts[part] = kept
            self.size += size

    def _drop(self, part: Part) -> None:
        if part in self.parts:
            self.size -= _size(self.parts.pop(part))


def _settle(served: Iterable[tuple[asyncio.Future[None], Iterable[Part]]], error: BaseException | None) -> None:
    for future, _ in served:
        if future.done():
            continue  # the asker has gone
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def _keep(data: Data) -> tuple[Kept, int]:
    """What is kept of a part, and its size in memory, about."""
    kept: Kept
    if isinstance(data, bytes):
        kept = unpack(data)
    elif isinstance(data, Goals):
        sketches = {
            name: (visitors and unpack(visitors), sessions and unpack(sessions))
            for name, (visitors, sessions) in data.sketches.items()
        }
        kept = GoalParts(
            data.counts, {name: (visitors or None, sessions or None) for name, (visitors, sessions) in sketches.items()}
        )
    else:
        kept = data
    return kept, _size(kept)


def _size(kept: Kept) -> int:
    if isinstance(kept, Sketch):
        return kept.size
    if isinstance(kept, GoalParts):
        sketches = [sketch for pair in kept.sketches.values() for sketch in pair if sketch is not None]
        return 400 + 150 * len(kept.counts) + sum(sketch.size for sketch in sketches)
    return 200 + 100 * len(kept or ())


class Views:
    """The views of a process, least recently used first, within a bound of memory."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._views: OrderedDict[tuple[str, str], View] = OrderedDict()

    def of(self, organization_id: str, workflow_id: str) -> View:
        """The view of a workflow."""
        view = self._views.get((organization_id, workflow_id))
        if view is None:
            view = self._views[organization_id, workflow_id] = View(organization_id, workflow_id)
        self._views.move_to_end((organization_id, workflow_id))
        return view

    def trim(self) -> int:
        """Give up the least recently used views until the rest fits; one that alone is too large starts anew.

        Returns the bytes that are left, about.
        """
        # An empty view counts too: asking for workflows that don't exist must not fill the memory.
        total = sum(view.size + 1000 for view in self._views.values())
        while total > self._most_bytes and self._views:
            _, view = self._views.popitem(last=False)
            total -= view.size + 1000
            view.clear()
        return total
