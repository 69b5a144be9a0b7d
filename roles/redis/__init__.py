"""Redis: live counts of the show."""
