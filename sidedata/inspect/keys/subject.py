"""The key that is described, and times by its organization's clock."""

from msgspec import Struct

from sidedata.calendar.zones import Zone
from sidedata.reads.keys.values import read_goal_name
from sidedata.redis.gateway import Gateway
from sidedata.schema.key_names import KeyName
from sidedata.schema.keys import keyspace

Row = tuple[str, str]


class Subject(Struct, frozen=True):
    """The key to describe: its name, the parts of the name, and its organization's zone."""

    gateway: Gateway
    parsed: KeyName
    name: str
    zone: Zone

    async def goal_name(self, goal: str) -> str:
        """Read a goal's name; its id where no name is stored."""
        space = keyspace(self.parsed.partition or 0)
        return await read_goal_name(self.gateway, space, self.parsed.organization or "", goal) or goal

    def at(self, us: float) -> str:
        """Format a time, in microseconds since the epoch, by the organization's clock."""
        return clock(self.zone, int(us) // 1_000_000)


def clock(zone: Zone, second: int) -> str:
    """Format an instant, in seconds since the epoch, by a zone's clock."""
    moment = zone.moment(second)
    return f"{moment:%a} {moment.isoformat(' ')}"
