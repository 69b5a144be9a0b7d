"""Balancer: HAProxy before the collectors; on EC2 a network load balancer stands in its place."""
