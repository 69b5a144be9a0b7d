"""HDFS: the disks under HBase, one NameNode and its DataNodes."""
