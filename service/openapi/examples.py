"""An example of each body, for /openapi.json. A test validates each against its schema."""

from typing import Any

_WORKFLOW = "1b7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a23"
_POPUP = "2b7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a25"
_NOON = [3, 1, 0, 0, 0, 2, 9, 31, 58, 77, 81, 90, 94, 88, 85, 92, 103, 110, 97, 84, 71, 52, 29, 12]

QUERY = {"interval": {"start": "2026-11-01T00:00:00+02:00", "end": "2026-12-01T00:00:00+02:00"}}

PAGE_NAVIGATION: dict[str, Any] = {
    "timeframe_stat": {
        "day_in_week": [[6074, 1], [6210, 2], [6133, 3], [6002, 4], [5480, 5], [3121, 6], [2890, 7]],
        "hour_in_day": [[visitors, hour] for hour, visitors in enumerate(_NOON)],
    },
    "unique_visitors_count": 31402,
    "unique_sessions_count": 40233,
}
INTERACTION: dict[str, Any] = {
    "unique_visitors_count": 1204,
    "started_workflows_count": 3310,
    "visitor_purchase_sums": [{"value": 1023.5, "currency": "EUR"}],
    "triggered_goals": [
        {
            "uuid": "6f9f2d0e-55d6-4a0e-9f0b-0f0a4f3f6c11",
            "name": "Signed up",
            "metrics": {"events_count": 12, "unique_visitors_count": 9, "unique_sessions_count": 10},
        }
    ],
    "affected_goals": [
        {
            "uuid": "3b7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a27",
            "name": "System: Visitor purchased",
            "metrics": {"events_count": 7, "unique_visitors_count": 7, "unique_sessions_count": 7},
        }
    ],
}
REPORTS = {"page_navigation": PAGE_NAVIGATION, "interaction": INTERACTION}

TIMELINE_QUERY = {
    "interval": {"start": "2026-11-01T00:00:00+02:00", "end": "2026-11-03T00:00:00+02:00"},
    "granularity": "day",
}
_DAYS = (
    {"start": "2026-11-01T00:00:00+02:00", "end": "2026-11-02T00:00:00+02:00"},
    {"start": "2026-11-02T00:00:00+02:00", "end": "2026-11-03T00:00:00+02:00"},
)
_PAGE_POINTS: list[dict[str, Any]] = [
    {**_DAYS[0], "unique_visitors_count": 1480, "unique_sessions_count": 1903},
    {**_DAYS[1], "unique_visitors_count": 1512, "unique_sessions_count": 1957},
]
_INTERACTION_POINTS: list[dict[str, Any]] = [
    {
        **day,
        "unique_visitors_count": 120,
        "started_workflows_count": 331,
        "triggered_goals_count": 12,
        "affected_goals_count": 7,
        "visitor_purchase_sums": sums,
    }
    for day, sums in zip(_DAYS, ([{"value": 1023.5, "currency": "EUR"}], []), strict=True)
]
TIMELINES = {
    "page_navigation": {"granularity": "day", "points": _PAGE_POINTS},
    "interaction": {"granularity": "day", "points": _INTERACTION_POINTS},
}
TIMELINE_CSV = (
    "start,end,unique_visitors_count,unique_sessions_count\r\n"
    "2026-11-01T00:00:00+02:00,2026-11-02T00:00:00+02:00,1480,1903\r\n"
)

OVERVIEW_QUERY = {**TIMELINE_QUERY, "workflows": [_WORKFLOW, _POPUP]}
OVERVIEW: dict[str, Any] = {
    "workflows": [
        {
            "id": _WORKFLOW,
            "kind": "page_navigation",
            "name": None,
            "last_event_at": "2026-11-02T20:00:00.417000Z",
            "sidedata": PAGE_NAVIGATION,
            "points": _PAGE_POINTS,
        }
    ],
    "missing": [_POPUP],
}
OVERVIEW_CSV = (
    "id,kind,name,last_event_at,unique_visitors_count,unique_sessions_count,started_workflows_count,"
    "triggered_goals_count,affected_goals_count,purchases_EUR\r\n"
    f"{_WORKFLOW},page_navigation,,2026-11-02T20:00:00.417000Z,31402,40233,,,,\r\n"
    f"{_POPUP},interaction,Newsletter pop-up,2026-11-02T19:59:58.120000Z,1204,,3310,12,7,1023.5\r\n"
)

DEAD_LETTERS: list[dict[str, Any]] = [
    {
        "id": "3/1795471265123-0",
        "at": "2026-11-23T22:01:05.123Z",
        "reason": "too_old",
        "detail": "before the day buckets kept",
        "type": "page_view",
        "workflow_id": _WORKFLOW,
        "event_id": "01935d0e-7a3c-7c3e-9a51-3d1f6f0e7a29",
    }
]

_ORGANIZATION_ID = "0b7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a21"
ORGANIZATION_FIELDS = {"name": "Acme", "time_zone": "Europe/Helsinki"}
ORGANIZATION: dict[str, Any] = {
    "id": _ORGANIZATION_ID,
    **ORGANIZATION_FIELDS,
    "has_events": True,
    "zone_rules": "2026a",
}
WORKFLOW_FIELDS = {"kind": "interaction", "name": "Autumn campaign"}
TOKEN: dict[str, Any] = {
    "id": "5f1e0c9a7b3d",
    "organization_id": _ORGANIZATION_ID,
    "scopes": ["reports", "ingest"],
    "expires_at": None,
}
SEEN_ORGANIZATIONS: list[dict[str, Any]] = [{"id": _ORGANIZATION_ID, **ORGANIZATION_FIELDS}]

LIVE = """event: sidedata
id: 2026-11-25T14:05:00+02:00/2026-11-25T15:10:00+02:00
data: {"unique_visitors_count":3,"started_workflows_count":4,"visitor_purchase_sums":[],"triggered_goals":[],"affected_goals":[]}

event: status
data: {"as_of":"2026-11-25T13:07:31.417Z"}

: alive

"""

WORKFLOWS = [
    {
        "id": _POPUP,
        "kind": "interaction",
        "name": "Newsletter pop-up",
        "last_event_at": "2026-11-23T21:59:58.120000Z",
    },
    {"id": _WORKFLOW, "kind": "page_navigation", "name": None, "last_event_at": None},
]

EVENTS = [
    {
        "type": "page_view",
        "id": "c0ffee-1",
        "workflow_id": _WORKFLOW,
        "visitor_id": "v-1",
        "session_id": "s-1",
        "timestamp": "2026-11-23T22:00:00+02:00",
    },
    {
        "type": "goal_reached",
        "id": "order-4711",
        "visitor_id": "v-1",
        "session_id": "s-1",
        "timestamp": "2026-11-23T22:04:10.5+02:00",
        "goal": {"uuid": "3b7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a27", "name": "System: Visitor purchased"},
        "purchase": {"value": "19.90", "currency": "EUR"},
    },
]
EVENT_BODIES: dict[str, object] = {"events": EVENTS, "one event": EVENTS[0]}
EVENT_LINES = f"""{{"type": "interaction", "id": "c0ffee-2", "workflow_id": "{_POPUP}", \
"visitor_id": "v-1", "session_id": "s-1", "timestamp": "2026-11-23T20:00:00Z"}}
{{"type": "interaction", "id": "c0ffee-3", "workflow_id": "{_POPUP}", \
"visitor_id": "v-2", "session_id": "s-2", "timestamp": "2026-11-23T20:00:01Z"}}
"""
ACCEPTED: dict[str, object] = {"accepted": 2}
ACCEPTANCES = {
    "all will count": ACCEPTED,
    "one will not": {
        **ACCEPTED,
        "warnings": [
            {"pointer": "/1/timestamp", "reason": "too_old", "detail": "before the days that are kept"},
        ],
    },
}

ALIVE = {"status": "alive"}
_EVICTING = "maxmemory-policy is allkeys-lru: Redis may evict counters"
READY_CHECKS = [
    {"name": "redis", "status": "ok", "detail": "Redis answers"},
    {"name": "maxmemory-policy", "status": "warning", "detail": _EVICTING},
]
READY_WARNINGS = [f"{_EVICTING} (`CONFIG SET maxmemory-policy noeviction`, and the same in redis.conf)"]
READY = {"status": "ready", "checks": READY_CHECKS, "warnings": READY_WARNINGS}
METRICS = """# HELP sidedata_live_listeners Open live streams
# TYPE sidedata_live_listeners gauge
sidedata_live_listeners 3.0
"""
