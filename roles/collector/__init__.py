"""Collector: takes events over HTTP, and answers when they are on disk."""
