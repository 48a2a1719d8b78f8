"""Metrics of the service."""

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sidedata.metrics import SECONDS_BUCKETS


class ServiceMetrics:
    """The service's metrics in one registry; labels come from the table of routes, never from the client."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.requests = Counter(
            "sidedata_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "sidedata_http_request_seconds",
            "Time until the response was ready, without streams.",
            ["method", "route"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.reports = Counter(
            "sidedata_reports",
            "Reports by source: kept in the cache, or assembled.",
            ["from"],
            registry=registry,
        )
        self.cache_bytes = Gauge(
            "sidedata_cache_bytes",
            "Approximate memory of cached sketches, counts and answers; see SIDEDATA_CACHE_MB.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.live_listeners = Gauge(
            "sidedata_live_listeners",
            "Open live streams.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.live_polls = Counter(
            "sidedata_live_polls",
            "Answers computed for live streams; all streams of one workflow and interval share them.",
            registry=registry,
        )
        self.behind_seconds = Gauge(
            "sidedata_report_behind_seconds",
            "Time by which the numbers are behind the streams, in the partition that is furthest behind.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.ingested = Counter(
            "sidedata_ingest_events",
            "Events added to the streams over HTTP.",
            registry=registry,
        )
        self.backlog_full = Counter(
            "sidedata_ingest_backlog_full",
            "Ingest requests refused because the worker lags; if it grows, add workers or find the cause of the lag.",
            registry=registry,
        )

    def count_response(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count a response; `seconds` is None for a stream."""
        children = self._children.get((method, route, status))
        if children is None:  # looking labels up takes longer than counting
            counter, histogram = self.requests.labels(method, route, str(status)), self.seconds.labels(method, route)
            children = self._children[method, route, status] = (counter, histogram)
        children[0].inc()
        if seconds is not None:
            children[1].observe(seconds)


METRICS = web.AppKey("METRICS", ServiceMetrics)
