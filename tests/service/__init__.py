"""The HTTP service: routes, errors, streams, processes, access."""
