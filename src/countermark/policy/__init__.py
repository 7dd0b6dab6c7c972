"""Policy: what must have been said, by whom, about what. Pure: no disk, no clock, no network."""
