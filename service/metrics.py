"""What the service counts of itself."""

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from store.metrics import SECONDS_BUCKETS


class ServiceMetrics:
    """The service's own numbers in one registry; labels come from the table of routes, never from what a client sent."""

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
            "Time until the answer was ready; streams are left out.",
            ["method", "route"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.live_listeners = Gauge(
            "sidedata_live_listeners",
            "Open live streams.",
            registry=registry,
        )
        self.live_polls = Counter(
            "sidedata_live_polls",
            "Answers computed for live streams; many listeners on one workflow share one.",
            registry=registry,
        )
        self.ingested = Counter(
            "sidedata_ingest_events",
            "Events put in the streams over HTTP.",
            registry=registry,
        )
        self.backlog_full = Counter(
            "sidedata_ingest_backlog_full",
            "Ingest requests refused because the worker is behind; growing: add workers or find what holds them up.",
            registry=registry,
        )


METRICS = web.AppKey("METRICS", ServiceMetrics)
