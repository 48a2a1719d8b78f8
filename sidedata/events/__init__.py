"""From bytes to events: decoding, timestamps, money, hashes, dead letters. Pure."""
