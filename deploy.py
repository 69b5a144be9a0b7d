"""Roles in start order, one line each. `bin/primetime converge` runs this, and so does plain pyinfra:

pyinfra inventories/demo.py deploy.py

JVMs take seconds to start: each begins in the first line of its role, beside others, and runs after `..._runs`.
"""

from pyinfra import host

from roles.balancer.deploy import balancer
from roles.base.deploy import base, base_exporter
from roles.collectd.deploy import collectd_agent, collectd_receiver
from roles.collector.deploy import collector
from roles.guard.deploy import guard
from roles.hbase.deploy import (
    hbase_master,
    hbase_master_runs,
    hbase_regionserver,
    hbase_regionserver_runs,
    hbase_tables,
    hbase_thrift,
    hbase_thrift_runs,
)
from roles.hdfs.deploy import hdfs_datanode, hdfs_datanode_runs, hdfs_namenode, hdfs_namenode_runs
from roles.jenkins.deploy import jenkins
from roles.monitoring.deploy import monitoring, monitoring_calendar
from roles.nagios.deploy import nagios
from roles.redis.deploy import redis, redis_exporter
from roles.shipper.deploy import shipper
from roles.zookeeper.deploy import zookeeper, zookeeper_exporter, zookeeper_runs

if "base" in host.groups:
    base()
if "base_exporter" in host.groups:
    base_exporter()
if "collectd_agent" in host.groups:
    collectd_agent()
if "zookeeper" in host.groups:
    zookeeper()
if "hdfs_namenode" in host.groups:
    hdfs_namenode()
if "hdfs_datanode" in host.groups:
    hdfs_datanode()
if "zookeeper_exporter" in host.groups:
    zookeeper_exporter()
if "zookeeper" in host.groups:
    zookeeper_runs()
if "hdfs_namenode" in host.groups:
    hdfs_namenode_runs()
if "hdfs_datanode" in host.groups:
    hdfs_datanode_runs()
if "hbase_master" in host.groups:
    hbase_master()
if "hbase_regionserver" in host.groups:
    hbase_regionserver()
if "hbase_thrift" in host.groups:
    hbase_thrift()
if "redis" in host.groups:
    redis()
if "redis_exporter" in host.groups:
    redis_exporter()
if "collector" in host.groups:
    collector()
if "hbase_master" in host.groups:
    hbase_master_runs()
if "hbase_regionserver" in host.groups:
    hbase_regionserver_runs()
if "hbase_thrift" in host.groups:
    hbase_thrift_runs()
if "hbase_master" in host.groups:
    hbase_tables()
if "shipper" in host.groups:
    shipper()
if "guard" in host.groups:
    guard()
if "balancer" in host.groups:
    balancer()
if "monitoring_calendar" in host.groups:
    monitoring_calendar()
if "monitoring" in host.groups:
    monitoring()
if "collectd_receiver" in host.groups:
    collectd_receiver()
if "nagios" in host.groups:
    nagios()
if "jenkins" in host.groups:
    jenkins()
