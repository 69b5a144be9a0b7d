"""HBase: every event, for good."""
