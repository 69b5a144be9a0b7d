"""Shipper: reads the spool, feeds HBase and Redis."""
