"""Questions by the client that openapi-python-client makes; prints the figures as JSON, as the clients in TypeScript do.

Run with the generated package on the path. Arguments: address, token, organization, page-navigation workflow, interaction workflow,
start and end.
"""

import json
import sys
from uuid import UUID

from sidedata_client.api.default import get_overview, get_timeline, post_events, post_sidedata
from sidedata_client.client import AuthenticatedClient
from sidedata_client.models import (
    Accepted,
    EventBody,
    EventBodyType,
    GetTimelineGranularity,
    InteractionReport,
    InteractionTimeline,
    IntervalBody,
    Overview,
    PageNavigationReport,
    Problem,
    QueryBody,
)

base, token, *ids, start, end = sys.argv[1:]
organization, pages, interactions = map(UUID, ids)
client = AuthenticatedClient(base_url=base, token=token)

query = QueryBody(IntervalBody(start, end))
views = post_sidedata.sync(organization, pages, client=client, body=query)
assert isinstance(views, PageNavigationReport)
answer = post_sidedata.sync(organization, interactions, client=client, body=query)
assert isinstance(answer, InteractionReport)
timeline = get_timeline.sync(
    organization, interactions, client=client, start=start, end=end, granularity=GetTimelineGranularity.DAY
)
assert isinstance(timeline, InteractionTimeline)
overview = get_overview.sync(organization, client=client, start=start, end=end)
assert isinstance(overview, Overview)
refusal = post_sidedata.sync(organization, pages, client=client, body=QueryBody(IntervalBody(end, start)))
assert isinstance(refusal, Problem)
view = EventBody(EventBodyType.PAGE_VIEW, "v-late", "s-late", workflow_id=str(pages), timestamp="2020-01-01T00:00:00Z")
sent = post_events.sync(organization, client=client, body=[view])
assert isinstance(sent, Accepted)

sys.stdout.write(
    json.dumps(
        {
            "hours": views.timeframe_stat.hour_in_day,
            "sessions": views.unique_sessions_count,
            "started": answer.started_workflows_count,
            "goals": [[goal.name, goal.metrics.events_count] for goal in answer.affected_goals],
            "days": [[point.start.isoformat(), point.unique_visitors_count] for point in timeline.points],
            "overview": [[str(item.id), item.sidedata.unique_visitors_count] for item in overview.workflows],
            "refused": [refusal.status, [error.pointer for error in refusal.errors or []]],
            "warnings": [warning.reason for warning in sent.warnings or []],
        }
    )
)
