"""The Redis data model that the ingest worker writes and the service reads; see `sidedata.schema.keys` first."""
