"""The shared code of tests: servers, the pipeline, events, waiting, the oracle. Nothing here imports a test."""
