"""The slots of instants: local day, local hour, 5 minutes. Pure."""

from functools import lru_cache
from typing import NamedTuple

from sidedata.calendar.zones import FIVE_MINUTES_SECONDS, Day, Hour, Zone, five_minutes

_MAX_SLOTS = 20_000


class Slot(NamedTuple):
    """The local day, the local hour and the 5 minutes (start and end, in seconds since the epoch) of an instant."""

    day: Day
    hour: Hour
    five_minutes: tuple[int, int]


class Slots:
    """Cache of a zone's slots; events come close together, so few slots serve many."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._slots: dict[int, Slot] = {}

    def at(self, second: int) -> Slot:
        """The slot of an instant in whole seconds."""
        index = second // FIVE_MINUTES_SECONDS
        slot = self._slots.get(index)
        # Where offsets once had odd minutes, 5 minutes of local time straddle two indexes: what doesn't fit is looked up.
        if slot is None or not slot.five_minutes[0] <= second < slot.five_minutes[1]:
            hour = self._zone.hour(second)
            slot = Slot(self._zone.day(second), hour, five_minutes(second, hour))
            if len(self._slots) >= _MAX_SLOTS:
                self._slots.clear()
            self._slots[index] = slot
        return slot


@lru_cache(maxsize=64)
def slots_of(zone: Zone) -> Slots:
    """The slots of a zone, shared by its organizations: an import brings each of them thousands."""
    return Slots(zone)


class FormerSlot(NamedTuple):
    """A slot by a table that was replaced: its day and its hour are written beside those by the stored table where they differ."""

    slot: Slot
    day_differs: bool
    hour_differs: bool


class FormerSlots:
    """The local days and hours by a table that was replaced, as long as they are written beside those by the stored one.

    Args:
        former: the zone by the table before.
        zone: the zone by the stored table.
        until: the end of this time, in seconds since the epoch.
    """

    def __init__(self, former: Zone, zone: Zone, until: int) -> None:
        self.until = until
        self._former = former
        self._zone = zone

    def at(self, slot: Slot, now: int) -> FormerSlot | None:
        """The slot by the table before; None at a later time, or where neither its day nor its hour differs.

        They differ where nothing of the stored table begins at their start: a key holds what is cut now. Hours begin at the same
        instants in both tables, unless these are apart by part of an hour.
        """
        if now >= self.until:
            return None
        second = slot.five_minutes[0]
        former = Slot(self._former.day(second), self._former.hour(second), slot.five_minutes)
        day_differs = self._zone.day(former.day.start).start != former.day.start
        hour_differs = self._zone.hour(former.hour.start).start != former.hour.start
        return FormerSlot(former, day_differs, hour_differs) if day_differs or hour_differs else None
