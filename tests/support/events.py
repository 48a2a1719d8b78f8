"""Events as producers write them, for tests: everything has a default, so that a test names only what it is about."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from sidedata.events.decode import Event
from sidedata.events.rejection import Rejection
from tests.support.constants import ORG

PAGES = "11111111-0000-4000-8000-00000000000a"
POPUP = "22222222-0000-4000-8000-00000000000b"
POPUP_2 = "22222222-0000-4000-8000-00000000000c"
GOAL = "33333333-0000-4000-8000-00000000000d"
GOAL_2 = "33333333-0000-4000-8000-00000000000e"
PURCHASED = "System: Visitor purchased"
_SHORT = {"workflow": "workflow_id", "visitor": "visitor_id", "session": "session_id"}


def event(type_: str, at: datetime | str, **fields: object) -> bytes:
    """One event's bytes; `workflow`, `visitor` and `session` are short for their ids, other `fields` replace or add fields."""
    value: dict[str, object] = {
        "type": type_,
        "organization_id": ORG,
        "visitor_id": "v1",
        "session_id": "s1",
        "timestamp": at if isinstance(at, str) else rfc3339(at),
    }
    for name, given in fields.items():
        value[_SHORT.get(name, name)] = given
    return json.dumps(value, ensure_ascii=False).encode()


def view(at: datetime | str, visitor: str = "v1", session: str = "s1", **fields: object) -> bytes:
    """A `page_view`."""
    return event("page_view", at, **{"workflow": PAGES, "visitor": visitor, "session": session, **fields})


def started(at: datetime | str, visitor: str = "v1", **fields: object) -> bytes:
    """A `workflow_started`."""
    return event("workflow_started", at, **{"workflow": POPUP, "visitor": visitor, **fields})


def interaction(at: datetime | str, visitor: str = "v1", **fields: object) -> bytes:
    """An `interaction`."""
    return event("interaction", at, **{"workflow": POPUP, "visitor": visitor, **fields})


def triggered(at: datetime | str, visitor: str = "v1", goal: str = GOAL, name: str = "Goal", **fields: object) -> bytes:
    """A `goal_triggered`."""
    named = {"uuid": goal, "name": name}
    return event("goal_triggered", at, **{"workflow": POPUP, "visitor": visitor, "goal": named, **fields})


def reached(at: datetime | str, visitor: str = "v1", goal: str = GOAL, name: str = "Goal", **fields: object) -> bytes:
    """A `goal_reached`."""
    return event("goal_reached", at, **{"visitor": visitor, "goal": {"uuid": goal, "name": name}, **fields})


def bought(at: datetime | str, value: str, currency: str = "EUR", **fields: object) -> bytes:
    """A purchase; `value` is JSON text, so that a number stays as it is written."""
    purchase = {"value": "@", "currency": currency}
    goal = {"uuid": GOAL, "name": PURCHASED}
    raw = event("goal_reached", at, **{"goal": goal, "purchase": purchase, **fields})
    return raw.replace(b'"@"', value.encode())


def visits(at: datetime, visitors: int) -> list[bytes]:
    """Visitors who look, interact, trigger goals and buy; what they pay together no double can hold."""
    raws: list[bytes] = []
    for number in range(visitors):
        visitor = f"{at:%d}-{number}"
        raws += [view(at, visitor, f"{visitor}-s{part}") for part in range(1 + number % 2)]
        raws += [started(at, visitor), interaction(at, visitor)]
        raws += [triggered(at, visitor, name="Opened <b>details</b>")] * (1 + number)
        raws += [reached(at, visitor, GOAL_2, 'Signed up, "value": 7')] * (number % 3)
        raws += [bought(at, "999999999999.9999", visitor=visitor), bought(at, "0.1", "GBP", visitor=visitor)]
    return raws


def fields_of(decoded: Event | Rejection) -> dict[str, object]:
    """The fields of a decoded event, or of the rejection of its text, to compare them."""
    return {name: getattr(decoded, name) for name in dir(decoded) if not name.startswith("_")}


def as_array(raws: Sequence[bytes]) -> bytes:
    """A JSON array of JSON texts, which are not looked at."""
    return b"[" + b",".join(raws) + b"]"


def rfc3339(moment: datetime) -> str:
    """A timestamp as most producers write it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
