"""The data model: keys, records, zones, sketches."""
