"""The producer that other programs import: `from sidedata import Producer`."""
