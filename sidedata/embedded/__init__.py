"""The Redis server that `sidedata up` and `sidedata demo` start, and its data directory."""
