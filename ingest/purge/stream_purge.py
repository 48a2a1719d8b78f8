"""What a purge takes out of the streams: events that wait, and dead letters, wherever they stand.

An event of the organization may have been sent to another partition by mistake, so every partition is searched. In a stream
only the organization's own events go. What is no event, a dead letter above all, goes whenever it names the organization at all:
it can't be trusted to name its owner in the right place.

XDEL only marks an entry; its bytes stay in memory and in dumps for as long as a neighbour lives in the same node. Applied
events leave by themselves, but letters are kept for weeks, so a stream of letters that lost some is written anew.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from sidedata.errors import StoreUnavailableError
from sidedata.events.decode import Fault, decode_event
from sidedata.redis.client import Client, translated
from sidedata.redis.scripts import script
from sidedata.schema import keys

_PURGE_ENTRY = script("purge_entry")
_REPLACE_LETTERS = script("replace_letters")
# An entry may have a megabyte, and a page of them is in memory at once.
_PAGE = 20
_REWRITING_SECONDS = 600
_ATTEMPTS = 20

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])

Fields = Mapping[bytes, bytes]
Step = Callable[[], Awaitable[None]]


class Target(Struct, frozen=True):
    """What is purged: an organization, or one workflow of it; ids in lower case."""

    organization: str
    workflow: str | None

    def owns(self, raw: bytes) -> bool:
        """Whether an event is the target's; what is no event is, if it names the target anywhere."""
        event = decode_event(raw)
        if isinstance(event, Fault):
            return self.named_in(raw)
        return event.organization_id == self.organization and self.workflow in (None, event.workflow_id)

    def named_in(self, value: bytes) -> bool:
        """Whether the target is named anywhere in a value, however JSON may have escaped it."""
        text = value.decode(errors="replace")
        try:
            unescaped = json.dumps(json.loads(text), ensure_ascii=False)
        except (ValueError, RecursionError):
            unescaped = ""
        return self._named_in(text) or self._named_in(unescaped)

    def _named_in(self, text: str) -> bool:
        text = text.lower()
        return self.organization in text and (self.workflow is None or self.workflow in text)


class Found(Struct):
    """What was taken out, or would be."""

    waiting_events: int = 0
    letters: int = 0


async def erase_waiting(client: Client, partition: int, target: Target, found: Found, step: Step, *, dry: bool) -> None:
    """Take the target's events out of the ingest stream; their neighbours stay."""
    stream = keys.events(partition)
    async for entry, fields in _entries(client, stream, step):
        form = fields.keys() & {b"event", b"events"}
        if len(form) == 1:
            raws = _events(fields[form.pop()])
            remaining = [raw for raw in raws if not target.owns(raw)]
        else:  # what the worker would make one letter of
            raws, remaining = [b""], [b""] * (not any(map(target.named_in, fields.values())))
        if len(remaining) == len(raws):
            continue
        found.waiting_events += len(raws) - len(remaining)
        if not dry:
            rest = b"[" + b",".join(remaining) + b"]" if remaining else b""
            with translated():
                await _PURGE_ENTRY(client, [stream], [entry, rest])


async def erase_letters(client: Client, partition: int, target: Target, found: Found, step: Step, *, dry: bool) -> None:
    """Take the dead letters that name the target away, and their bytes too.

    Raises:
        StoreUnavailableError: letters are being sent again all the time; run it again.
    """
    for _ in range(_ATTEMPTS):
        count = 0
        async for _, fields in _entries(client, keys.dead(partition), step):
            count += any(map(target.named_in, fields.values()))
        if dry or not count or await _rewrite(client, partition, target, step):
            found.letters += count
            return
    raise StoreUnavailableError("dead letters are being sent again meanwhile; run the purge again")


async def _rewrite(client: Client, partition: int, target: Target, step: Step) -> bool:
    """Write the letters that stay anew, ids and all; False if one was sent again meanwhile."""
    stream, anew = keys.dead(partition), keys.dead_anew(partition)
    length, newest = 0, b""
    with translated():
        await client.unlink(anew)
        async for entry, fields in _entries(client, stream, step):
            length, newest = length + 1, entry
            if not any(map(target.named_in, fields.values())):
                pipeline = client.pipeline(transaction=False)
                pipeline.xadd(anew, fields, id=entry)
                pipeline.expire(anew, _REWRITING_SECONDS)
                await pipeline.execute()
        return bool(await _REPLACE_LETTERS(client, [stream, anew], [length, newest]))


async def _entries(client: Client, stream: str, step: Step) -> AsyncIterator[tuple[bytes, dict[bytes, bytes]]]:
    last = "-"
    while True:
        await step()
        with translated():
            page: Sequence[Any] = await client.xrange(stream, last, "+", count=_PAGE)
        for entry, fields in page:
            yield entry, fields
        if len(page) < _PAGE:
            return
        last = "(" + page[-1][0].decode()


def _events(value: bytes) -> list[bytes]:
    """The events in a field's value: the elements of an array, or the value itself."""
    try:
        return [bytes(raw) for raw in _ARRAY.decode(value)]
    except (msgspec.DecodeError, RecursionError):
        return [value]
