"""ZooKeeper: who is alive and who leads, for HBase."""
