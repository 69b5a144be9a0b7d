"""HBase, as far as primetime uses it: cells through one Thrift2 gateway, and the tables they are in."""

from primetime.hbase.client import Hbase
from primetime.hbase.encoding import Cell
from primetime.hbase.gateway import HbaseUnavailable

__all__ = ["Cell", "Hbase", "HbaseUnavailable"]
