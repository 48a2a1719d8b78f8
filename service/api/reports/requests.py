"""Requests for timelines and overviews, read from a JSON body or a query string. Pure."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, cast

import msgspec

from sidedata.events.decode import canonical_uuid
from sidedata.service.api.reports.parameters import decode_body, fields_of, read_parameters
from sidedata.service.api.reports.query import Interval, IntervalText, interval_of, read_interval
from sidedata.service.http.problems import FieldError
from sidedata.service.report.timeline.spans import GRANULARITIES, Granularity

MOST_WORKFLOWS = 100


class TimelineRequest(NamedTuple):
    """A request for a timeline."""

    interval: Interval
    granularity: Granularity


class _TimelineQuery(msgspec.Struct, forbid_unknown_fields=True):
    interval: IntervalText
    granularity: Granularity


_TIMELINE_DECODER = msgspec.json.Decoder(_TimelineQuery)


class OverviewRequest(NamedTuple):
    """A request for an overview; without workflows it is about the newest ones, without a granularity it has no points."""

    interval: Interval
    workflows: tuple[str, ...] | None
    granularity: Granularity | None


def timeline_from_body(body: bytes) -> TimelineRequest:
    """Read `{"interval": {…}, "granularity": "day"}`.

    Raises:
        ProblemError: 400 with all errors of the body.
    """
    # In one step, as reports are; a body with an error is decoded again, to find all of them.
    try:
        query = _TIMELINE_DECODER.decode(body)
        interval = query.interval.read()
        if interval is not None:
            return TimelineRequest(interval, query.granularity)
    except (ValueError, OverflowError, RecursionError):
        pass
    errors: list[FieldError] = []
    outer = fields_of(decode_body(body), "", ("interval", "granularity"), errors)
    granularity = _granularity(outer, errors)
    return TimelineRequest(interval_of(outer, errors), cast("Granularity", granularity))


@lru_cache(maxsize=1024)  # dashboards repeat their queries; errors are not cached
def timeline_from_query(raw: str) -> TimelineRequest:
    """Read `start=…&end=…&granularity=day`.

    Raises:
        ProblemError: 400 with all errors of the query string.
    """
    errors: list[FieldError] = []
    parameters = _parameters(raw, ("start", "end", "granularity"), (), errors)
    granularity = _granularity(parameters, errors)
    interval = read_interval(parameters, "", errors, "the query string is incomplete or wrong")
    return TimelineRequest(interval, cast("Granularity", granularity))


def overview_from_body(body: bytes) -> OverviewRequest:
    """Read `{"interval": {…}, "workflows": ["…", …], "granularity": "day"}`, of which the last two may be left out.

    Raises:
        ProblemError: 400 with all errors of the body.
    """
    errors: list[FieldError] = []
    outer = fields_of(decode_body(body), "", ("interval",), errors, ("workflows", "granularity"))
    workflows = _workflows(outer["workflows"], errors) if "workflows" in outer else None
    granularity = _granularity(outer, errors)
    return OverviewRequest(interval_of(outer, errors), workflows, granularity)


@lru_cache(maxsize=1024)
def overview_from_query(raw: str) -> OverviewRequest:
    """Read `start=…&end=…&workflows=a,b&granularity=day`, of which the last two may be left out.

    Raises:
        ProblemError: 400 with all errors of the query string.
    """
    errors: list[FieldError] = []
    parameters = _parameters(raw, ("start", "end"), ("workflows", "granularity"), errors)
    listed = parameters.get("workflows")
    workflows = None if listed is None else _workflows(listed.split(",") if listed else [], errors)
    granularity = _granularity(parameters, errors)
    interval = read_interval(parameters, "", errors, "the query string is incomplete or wrong")
    return OverviewRequest(interval, workflows, granularity)


def _parameters(
    raw: str, names: tuple[str, ...], optional: tuple[str, ...], errors: list[FieldError]
) -> dict[str, str]:
    parameters = read_parameters(raw, (*names, *optional), errors)
    errors += [FieldError(f"/{name}", "missing") for name in names if name not in parameters]
    return parameters


def _granularity(fields: Mapping[str, Any], errors: list[FieldError]) -> Granularity | None:
    """The granularity among the fields; None where there is none."""
    if "granularity" not in fields:
        return None
    granularity = fields["granularity"]
    if granularity not in GRANULARITIES:
        errors.append(FieldError("/granularity", f"must be one of {', '.join(GRANULARITIES)}"))
        return None
    return cast("Granularity", granularity)


def _workflows(listed: Any, errors: list[FieldError]) -> tuple[str, ...]:  # noqa: ANN401 - any JSON value
    """The workflows in the requested order, a repeated one once."""
    if not isinstance(listed, list):
        errors.append(FieldError("/workflows", "must be an array of UUIDs"))
        return ()
    if not 1 <= len(listed) <= MOST_WORKFLOWS:
        errors.append(FieldError("/workflows", f"must be 1 to {MOST_WORKFLOWS} UUIDs"))
        return ()
    workflows: dict[str, None] = {}
    for index, text in enumerate(listed):
        workflow = canonical_uuid(text) if isinstance(text, str) else None
        if workflow is None:
            errors.append(FieldError(f"/workflows/{index}", "not a UUID of 36 characters"))
        else:
            workflows[workflow] = None
    return tuple(workflows)
