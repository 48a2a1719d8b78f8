"""A Redis that is full, frozen, demoted, moved or gone."""
