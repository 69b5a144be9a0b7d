"""Nagios: a check for each endpoint, and a page of them behind a login; off unless a topology asks."""
