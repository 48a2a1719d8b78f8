"""What is stored and how it is read: keys, records, zones, sketches."""
