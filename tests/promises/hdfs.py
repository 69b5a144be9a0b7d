"""How the promises of HDFS are broken."""

from roles.hdfs.settings import HdfsNamenode
from tests.promises.breaking import CONVERGED, KEPT, Break, as_root, changed, configured, heap, mode

SITE = "hdfs-site.xml"
JAVA = f'runuser -u hdfs -- java -Xmx64m -cp "{KEPT}:$(ls -d /opt/primetime/jars-*)/*" '
AT = f"-fs hdfs://$(hostname):{HdfsNamenode().rpc_port}"
ADMIN = f"{JAVA} org.apache.hadoop.hdfs.tools.DFSAdmin {AT}"
SHELL = f"{JAVA} org.apache.hadoop.fs.FsShell {AT}"
LIVE = "hdfs/namenode: every datanode is live"


def said(key: str, value: str) -> str:
    """The edit that gives a key of hdfs-site.xml this value, whether it was there or not."""
    prop = f"<property><name>{key}</name><value>{value}</value></property>"
    return f"/<name>{key}</d; s#</configuration>#{prop}</configuration>#"


def edited(group: str) -> Break:
    role = group.replace("_", "/", 1)
    return changed(
        f"/etc/primetime/{role}/{SITE}",
        "$ a <!-- by hand -->",
        f"{role}: {CONVERGED}Write {SITE}",
        f"{role}: {CONVERGED}Restart it on its new configuration",
    )


NAMENODE = {
    "it takes writes": Break(f"{ADMIN} -safemode enter", f"{ADMIN} -safemode leave"),
    "every datanode is live": configured("hdfs_datanode", SITE, said("dfs.datanode.hostname", "stranger")),
    "no block is missing": Break(
        # a file of its own, whose only block is then taken from the disk; without a core-site.xml FsShell does nothing
        f"set -e; umask 022; mkdir -p {KEPT}; echo promise-to-break > {KEPT}/file; "
        f"echo '<configuration/>' > {KEPT}/core-site.xml; "
        f"{SHELL} -put {KEPT}/file /promise-to-break; "
        "grep -rl promise-to-break /var/lib/hdfs/data --include='blk_*' | while read block; do rm $block*; done; "
        "systemctl restart primetime-hdfs-datanode",
        f"{SHELL} -rm -skipTrash /promise-to-break; rm -rf {KEPT}",
    ),
    # the same number in other digits: a larger one would stop the only DataNode's writes
    "a write needs as many disks as declared": configured(
        "hdfs_namenode", SITE, said("dfs.namenode.replication.min", "01")
    ),
    "its heap is as given": heap("hdfs_namenode"),
    "it runs as its own user": as_root("hdfs_namenode", "/var/lib/hdfs/name", "hdfs"),
    "nobody else reads the names": mode(
        "/var/lib/hdfs/name", "755", "700", f"hdfs/namenode: {CONVERGED}Make its data folder"
    ),
    "is as converged": edited("hdfs_namenode"),
}

DATANODE = {
    "it serves the namenode": configured(
        "hdfs_datanode",
        SITE,
        said("dfs.namenode.rpc-address", f"localhost:{HdfsNamenode().rpc_port}"),
        "hdfs/datanode: no disk of it has failed",  # it looks at its disks when it has been told whose they are
        LIVE,
    ),
    "no disk of it has failed": configured(
        "hdfs_datanode",
        SITE,
        said("dfs.datanode.data.dir", "file:///var/lib/hdfs/data,file:///dev/null/disk")
        + "; "
        + said("dfs.datanode.failed.volumes.tolerated", "1"),
    ),
    "a closed block is synced": configured("hdfs_datanode", SITE, said("dfs.datanode.synconclose", "false")),
    "its heap is what it was given": heap("hdfs_datanode"),
    "it runs as the file system's user": as_root("hdfs_datanode", "/var/lib/hdfs/data", "hdfs"),
    "nobody else reads the blocks": mode(
        "/var/lib/hdfs/data", "755", "700", f"hdfs/datanode: {CONVERGED}Make its data folder"
    ),
    "is as converged": edited("hdfs_datanode"),
}
