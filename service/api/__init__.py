"""The table of routes, and a file of handlers for each resource."""
