"""The HTTP server: sockets, processes, and the fast path in front of aiohttp's router."""
