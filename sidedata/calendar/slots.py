"""Where an instant belongs: its local day, its local hour, its 5 minutes. Pure."""

from typing import NamedTuple

from sidedata.calendar.zones import FIVE_MINUTES_SECONDS, Day, Hour, Zone, five_minutes

_REMEMBERED_PLACES = 20_000


class Place(NamedTuple):
    """Where an instant belongs: its local day, its local hour, its 5 minutes."""

    day: Day
    hour: Hour
    fine: tuple[int, int]


class Places:
    """The places of a zone's instants; events come close together, so few places serve many."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._known: dict[int, Place] = {}

    def at(self, second: int) -> Place:
        """The place of an instant in whole seconds."""
        slot = second // FIVE_MINUTES_SECONDS
        place = self._known.get(slot)
        # Where offsets once had odd minutes, 5 minutes of local time straddle two slots: what doesn't fit is looked up.
        if place is None or not place.fine[0] <= second < place.fine[1]:
            hour = self._zone.hour(second)
            place = Place(self._zone.day(second), hour, five_minutes(second, hour))
            if len(self._known) >= _REMEMBERED_PLACES:
                self._known.clear()
            self._known[slot] = place
        return place
