"""The service: reports, live streams and event ingestion over HTTP, and the dashboard."""
