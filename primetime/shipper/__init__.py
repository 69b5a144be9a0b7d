"""The shipper: carries what the collector wrote to the spool into HBase and Redis, and deletes it from the spool.

In Flume's words: the spool is source and channel in one, HBase and Redis are sinks, and the selector decides for
each event between a row and a dead letter. Run as `python -m primetime.shipper --config FILE` on a collector's host.
"""
