"""Access to the service: tokens, transport, records, and what its log tells."""
