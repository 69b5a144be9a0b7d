"""Collectd: every host sends figures of itself to one, which keeps them; off unless a topology asks."""
