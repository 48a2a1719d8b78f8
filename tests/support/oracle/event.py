"""One event read by the contract, without the code under test."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

PAGE_TYPES = ("page_view",)


INTERACTION_TYPES = ("workflow_started", "interaction", "goal_triggered")


class BadEventError(Exception):
    """An event that becomes a dead letter, with the reason."""


@dataclass(frozen=True)
class Applied:
    """An event that counts."""

    organization: str
    workflow: str | None
    type: str
    visitor: str
    session: str
    at: datetime
    goal: str | None = None
    goal_name: str | None = None
    value: Decimal | None = None
    currency: str | None = None


class Text(str):
    """A number as it was written."""

    __slots__ = ()


def refuse(name: str) -> None:
    """Refuse a number that JSON doesn't have, such as NaN."""
    raise ValueError(name)


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


_AMOUNT = re.compile(r"\d+(\.\d+)?", re.ASCII)


def _check(*, good: bool) -> None:
    if not good:
        raise BadEventError("invalid_event")


def _text(fields: dict[str, Any], name: str, longest: int) -> str:
    value = fields.get(name)
    _check(good=isinstance(value, str) and not isinstance(value, Text) and 1 <= len(value) <= longest)
    return str(value)


def _uuid(fields: dict[str, Any], name: str) -> str:
    value = _text(fields, name, 36)
    _check(good=_UUID.fullmatch(value) is not None)
    return value.lower()


def _moment(text: str) -> datetime:
    match = _MOMENT.fullmatch(text)
    _check(good=match is not None)
    assert match is not None
    day, clock, fraction, offset = match.groups()
    micros = (fraction or ".")[1:7].ljust(6, "0")
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{micros}{offset.upper()}").astimezone(UTC)
    except ValueError:
        raise BadEventError("invalid_event") from None


def read_event(value: Any) -> tuple[Applied, str | None]:  # noqa: ANN401 - whatever JSON holds
    """Return what counts of an event, and the id that it gives itself.

    Raises:
        BadEventError: it becomes a dead letter.
    """
    _check(good=isinstance(value, dict))
    kind = value.get("type")
    _check(good=kind in (*PAGE_TYPES, *INTERACTION_TYPES, "goal_reached"))
    given = _text(value, "id", 128) if "id" in value else None
    event: dict[str, Any] = {
        "type": kind,
        "organization": _uuid(value, "organization_id"),
        "visitor": _text(value, "visitor_id", 256),
        "session": _text(value, "session_id", 256),
        "at": _moment(_text(value, "timestamp", 100)),
    }
    if kind == "goal_reached":
        _check(good="workflow_id" not in value)
        event["workflow"] = None
    else:
        event["workflow"] = _uuid(value, "workflow_id")
    if kind in {"goal_triggered", "goal_reached"}:
        _check(good=isinstance(value.get("goal"), dict))
        event["goal"] = _uuid(value["goal"], "uuid")
        event["goal_name"] = _text(value["goal"], "name", 200)
    if kind == "goal_reached" and "purchase" in value:
        purchase = value["purchase"]
        _check(good=isinstance(purchase, dict) and isinstance(purchase.get("value"), str))
        _check(good=_AMOUNT.fullmatch(purchase["value"]) is not None)
        amount = Decimal(str(purchase["value"]))
        _check(good=amount <= 10**12 and amount * 10_000 == int(amount * 10_000))
        _check(good=re.fullmatch("[A-Z]{3}", _text(purchase, "currency", 3)) is not None)
        event["value"], event["currency"] = amount, purchase["currency"]
    return Applied(**event), given
