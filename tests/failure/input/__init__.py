"""Clients and events that do harm, by intent or by mistake."""
