"""The compaction of old hours: their dense sketches are stored in the sparse form, which takes half the memory."""
