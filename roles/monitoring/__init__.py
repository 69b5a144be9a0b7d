"""Monitoring: Prometheus asks every host how it is, and Alertmanager tells whom it concerns."""
