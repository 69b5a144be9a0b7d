"""Collectd: every host writes figures of itself to the monitoring host; off unless a topology asks."""
