"""Clients that generators make of /openapi.json, put to the real service."""
