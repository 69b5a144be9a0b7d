"""Is anything missing: the ledger against the spools, rehearsed ids against HBase, live counts against both."""
