"""What takes blocks, or the copies of them."""

from primetime.alerts import Alert

ALERTS = (
    Alert(
        name="BlocksMissing",
        expression="fs_namesystem_missing_blocks > $threshold",
        threshold=0,
        reason="a block without any copy is a part of a file that nobody can read: events may be lost for good",
        lasts_s=60,  # a NameNode that starts knows no block until DataNodes have told it theirs
        severity="page",
        says="The NameNode on {{ $labels.node }} misses {{ $value }} blocks: no DataNode has a copy.",
    ),
    Alert(
        name="BlocksUnderReplicated",
        expression="fs_namesystem_under_replicated_blocks > $threshold",
        threshold=0,
        reason="HDFS copies by itself what has too few copies; what it has not copied by now it cannot place",
        lasts_s=900,
        severity="ticket",
        says="The NameNode on {{ $labels.node }} has had {{ $value }} blocks with too few copies for 15 minutes.",
    ),
    Alert(
        name="DataNodeDead",
        expression="fs_namesystem_num_dead_data_nodes > $threshold",
        threshold=0,
        reason="its blocks have a copy less each, and the next one that dies may have been the last with them",
        lasts_s=60,
        severity="page",
        says="The NameNode on {{ $labels.node }} counts {{ $value }} DataNodes as dead.",
    ),
)
