"""Proxies in front of a service, as deploy/proxy configures them."""
