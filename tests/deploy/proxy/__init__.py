"""The proxies of deploy/proxy in front of a service, over TLS."""
