"""HBase, as far as primetime uses it: cells through one Thrift2 gateway, puts also past it, and tables."""

from primetime.hbase.client import Hbase
from primetime.hbase.encoding import Cell
from primetime.hbase.gateway import HbaseUnavailable

__all__ = ["Cell", "Hbase", "HbaseUnavailable"]
