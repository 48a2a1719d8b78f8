"""The periodic commands of a partition's owner: its lease, its heartbeat, and the maintenance of the partition."""

from typing import Final, NamedTuple

from msgspec import Struct

from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import Word, array, integer, integer_or_zero, strings, text_mapping
from sidedata.redis.scripts import script
from sidedata.schema.keys import WORKERS, Keyspace
from sidedata.schema.values import FORMER_SECONDS, IdPositions, id_positions
from sidedata.settings import Settings
from sidedata.writes.commit import Ownership

_ACQUIRE: Final = script("acquire")
_RENEW: Final = script("renew")
_RELEASE: Final = script("release")
_HEARTBEAT: Final = script("heartbeat")
_MAINTAIN: Final = script("maintain")


class Lease(Struct):
    """A lease: the ownership of a partition, the positions of ids in each of its generations, the run of an unfinished swap.

    `former_until` is the second until which processes of a version without tables may go on, 0 for none. `is_compared` tells if
    its organizations were compared with a release of zone data before.
    """

    ownership: Ownership
    ids: dict[int, IdPositions]
    swap: str | None = None
    former_until: int = 0
    is_compared: bool = True


class Maintenance(NamedTuple):
    """The result of a partition's maintenance: entries not yet applied, age of the oldest in ms, dead letters dropped by age."""

    lag_entries: int
    lag_ms: int
    dead_letters_dropped: int


async def take(
    gateway: Gateway, settings: Settings, keyspace: Keyspace, worker: str, *, force: bool = False
) -> Lease | None:
    """Take a partition's lease; None if another worker holds it. `force` takes it from that worker.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    arguments: list[Word] = [worker, settings.lease_ms, "force" if force else "", FORMER_SECONDS]
    fields = text_mapping(await gateway.call(_ACQUIRE, [keyspace.cursor, keyspace.lease], arguments))
    if not fields:
        return None
    ownership = Ownership(
        keyspace,
        worker,
        int(fields["fence"]),
        fields.get("entry", "0-0"),
        int(fields.get("records", 0)),
    )
    return Lease(
        ownership,
        id_positions(fields),
        fields.get("swap"),
        int(fields.get("former_until", 0)),
        is_compared="zones" in fields,
    )


async def was_taken_by_command(gateway: Gateway, ownership: Ownership) -> bool:
    """Tell if a command (purge, rebuild) has taken the partition by force since that owner got it.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    forced = await gateway.command("HGET", ownership.keyspace.cursor, "forced")
    return integer_or_zero(forced) > ownership.fence


async def renew(gateway: Gateway, settings: Settings, ownership: Ownership) -> bool:
    """Renew a partition's lease; False if another owner came.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    names = [ownership.keyspace.cursor, ownership.keyspace.lease]
    return bool(integer(await gateway.call(_RENEW, names, [ownership.worker, settings.lease_ms, ownership.fence])))


async def release(gateway: Gateway, ownership: Ownership) -> None:
    """Give a partition up at once; a no-op if another owner came.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    names = [ownership.keyspace.cursor, ownership.keyspace.lease]
    await gateway.call(_RELEASE, names, [ownership.worker, ownership.fence])


async def heartbeat(gateway: Gateway, settings: Settings, worker: str, *, leave: bool = False) -> list[str]:
    """Register a worker as alive, or as gone with `leave`; returns the live ones in alphabetical order.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    arguments: list[Word] = [worker, settings.lease_ms, "leave" if leave else ""]
    return [name.decode() for name in strings(await gateway.call(_HEARTBEAT, [WORKERS], arguments))]


async def maintain(gateway: Gateway, keyspace: Keyspace, keep_dead_ms: int) -> Maintenance:
    """Measure the lag of a partition, and drop dead letters older than `keep_dead_ms`.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    reply = array(await gateway.call(_MAINTAIN, [keyspace.events, keyspace.dead], [keep_dead_ms]))
    return Maintenance(*map(integer, reply))
