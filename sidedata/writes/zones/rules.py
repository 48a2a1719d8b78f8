"""The table of a zone's offsets in an organization's record, and the releases of all tables of a partition."""

from typing import Final, cast

from sidedata.redis.gateway import Gateway
from sidedata.redis.replies import text
from sidedata.redis.scripts import script
from sidedata.schema.values import FormerCut
from sidedata.writes.commit import Ownership
from sidedata.writes.swap import ChangeStatus

_ADOPT: Final = script("adopt_rules")


async def store_rules(
    gateway: Gateway,
    ownership: Ownership,
    organization: str,
    timezone: str,
    stored: str | None,
    rules: str,
    former: FormerCut | None = None,
) -> ChangeStatus:
    """Replace the table `stored` of an organization; no bucket changes. `former` is the cut that days are also written by.

    Returns "fenced" if another owner came, "stale" if the record was changed meanwhile; nothing happened then.

    Raises:
        StoreUnavailableError: the table may have been replaced or not.
    """
    names = [ownership.keyspace.cursor, ownership.keyspace.organization(organization)]
    cut = "" if former is None else former.encode()
    reply = await gateway.call(_ADOPT, names, [ownership.fence, timezone, stored or "", rules, cut])
    return cast("ChangeStatus", text(reply))


async def record_releases(gateway: Gateway, ownership: Ownership, oldest: str, newest: str, former_until: int) -> None:
    """Record the releases of the tables that a comparison of all organizations of the partition has left; they inform people.

    `former_until` is the second until which processes of a version without tables may go on, 0 for none.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    fields = ("zones", oldest, "newest_zones", newest, "former_until", former_until)
    await gateway.command("HSET", ownership.keyspace.cursor, *fields)


async def forget_former(gateway: Gateway, ownership: Ownership, organization: str) -> None:
    """Delete the cut before the stored one from an organization's record, after its days have expired.

    Raises:
        StoreUnavailableError: Redis is out of reach.
    """
    await gateway.command("HDEL", ownership.keyspace.organization(organization), "former")
