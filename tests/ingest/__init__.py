"""From the stream to the counters: workers, leases, rebuilds, purges, producers."""
