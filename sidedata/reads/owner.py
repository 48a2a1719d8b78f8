"""The reads of a partition's owner: records, and all that a batch is planned on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, cast

import msgspec

from sidedata.batched import batched
from sidedata.events.decode import Kind
from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Reply, array, integer, integer_or_zero, mapping, optional_strings, optional_text
from sidedata.redis.scripts import script
from sidedata.schema.counts import HourQuery
from sidedata.schema.keys import Keyspace
from sidedata.schema.records import DEFAULT_ZONE
from sidedata.schema.values import FormerCut, kind_of

_LOOK_UP: Final = script("look_up", undeclared_keys=True)
_PACKER: Final = msgspec.msgpack.Encoder()
_STRINGS_AT_ONCE: Final = 4  # 2 MB


class OrganizationState(NamedTuple):
    """An organization's state: its reporting time zone, and the epoch of its event ids in ms, None before its first event.

    `rules` is the table of the zone as it is stored (see `ZoneRules.encode`); None where the record holds none. `former` is the
    cut before it, as long as the record names one.
    """

    timezone: str
    rules: str | None
    id_epoch_ms: int | None
    has_events: bool
    former: FormerCut | None = None


class Lookups(NamedTuple):
    """The reply to a batch's queries, and Redis's time in ms."""

    now_ms: int
    applied_ids: set[int]
    visitors: list[Mapping[bytes, bytes]]  # fields of each visitor's state
    hours: list[int | None]  # of each hour: TTL of its visitors in ms, as PTTL has it; None if its count is not stored
    goals: list[bytes | None]  # of each goal: its record, `<µs> <name>`


async def read_records(
    gateway: Gateway, keyspace: Keyspace, organizations: Iterable[str], workflows: Iterable[tuple[str, str]]
) -> tuple[list[OrganizationState], list[Kind | None]]:
    """Read organizations' records, and the kinds of workflows, each named with its organization; None for an unknown one.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    commands = [("HGETALL", keyspace.organization(organization)) for organization in organizations]
    count = len(commands)
    kinds = [("HGET", keyspace.workflow(*workflow), "kind") for workflow in workflows]
    replies = await gateway.batch([*commands, *kinds])
    return [_organization(reply) for reply in replies[:count]], [
        kind_of(optional_text(reply)) for reply in replies[count:]
    ]


async def look_up(
    gateway: Gateway,
    keyspace: Keyspace,
    id_queries: Sequence[str | int] = (),
    visitors: Sequence[str] = (),
    hours: Sequence[HourQuery] = (),
    goals: Sequence[str] = (),
) -> Lookups:
    """Read all that a batch is planned on, in one round trip.

    Args:
        id_queries: sets of applied ids, each as its key, the number of ids that it may hold, and these.
        visitors: keys of visitors' states.
        hours: those that may be sealed, by day.
        goals: keys of goals' names.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    queries = _PACKER.encode((id_queries, visitors, hours, goals))
    reply = array(await gateway.call(_LOOK_UP, [keyspace.cursor], [queries]))
    now_ms, applied_ids, states, ttls, goal_records = reply
    return Lookups(
        integer(now_ms),
        set(map(int, cast("list[bytes]", applied_ids))),
        [_fields(state) for state in array(states)],
        [None if ttl is None else integer(ttl) for ttl in array(ttls)],
        optional_strings(goal_records),
    )


async def read_strings(gateway: Gateway, keys: Sequence[str]) -> list[bytes | None]:
    """Read strings of up to half a megabyte each, a few at a time; None for a missing one.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    values: list[bytes | None] = []
    for some in batched(keys, _STRINGS_AT_ONCE):
        values += optional_strings(await gateway.batch([("GET", key) for key in some]))
    return values


async def records_revision(gateway: Gateway, keyspace: Keyspace) -> int:
    """Read the revision of the partition's records; 0 before the first one was registered.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return integer_or_zero(await gateway.command("HGET", keyspace.cursor, "records"))


async def is_owned(gateway: Gateway, keyspace: Keyspace) -> bool:
    """Tell if a worker holds the partition's lease at the moment.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    return integer(await gateway.command("EXISTS", keyspace.lease)) == 1


def _organization(reply: Reply) -> OrganizationState:
    record = mapping(reply)
    id_epoch_ms, rules, former = record.get(b"since"), record.get(b"rules"), record.get(b"former")
    return OrganizationState(
        record.get(b"timezone", DEFAULT_ZONE.encode()).decode(),
        None if rules is None else rules.decode(),
        None if id_epoch_ms is None else int(id_epoch_ms),
        b"has_events" in record,
        None if former is None else FormerCut.decode(former.decode()),
    )


def _fields(state: Reply) -> Mapping[bytes, bytes]:
    """Pair the fields and values of a visitor's state; unchecked, because a batch has thousands of states."""
    flat = cast("list[bytes]", state)
    return dict(zip(flat[::2], flat[1::2], strict=True))
