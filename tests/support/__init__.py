"""What tests share: servers, the pipeline, events, waiting, the oracle. Nothing here imports a test."""
