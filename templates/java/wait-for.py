#!/usr/bin/python3
# Managed by primetime (roles/java); edits are lost
"""wait-for SECONDS CONDITION...: returns when all hold; exit code 1 and a sentence when they do not in time.

tcp:HOST:PORT                   something accepts connections there
zookeeper:HOST:PORT,HOST:PORT   a member of this ensemble serves requests
hdfs:HOST:PORT                  the NameNode with this web address takes writes, and there is room for them
http:HOST:PORT/PATH             a GET of it is answered with 200
datanode:HOST:PORT              the DataNode with this web address serves its NameNode

Units call it before a daemon starts (what it needs is there) and after (it answers, so `systemctl start` returned
when it was ready). As ExecStartPost it gives up when the daemon itself has died.
"""

import json
import os
import socket
import sys
import time
import urllib.request
from pathlib import Path

ANSWER_S = 5


def tcp(where):
    host, port = where.rsplit(":", 1)
    with socket.create_connection((host, int(port)), ANSWER_S):
        return True


def serves(member):
    host, port = member.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), ANSWER_S) as connection:
            connection.sendall(b"srvr")
            return b"Mode: " in connection.makefile("rb").read()
    except OSError:
        return False


def zookeeper(where):
    return any(serves(member) for member in where.split(","))


def bean(where, name):
    with urllib.request.urlopen(f"http://{where}/jmx?qry=Hadoop:service={name}", timeout=ANSWER_S) as answer:
        found = json.load(answer)["beans"]
    return found[0] if found else {}  # it listens before its beans are there


def hdfs(where):
    state = bean(where, "NameNode,name=FSNamesystemState")
    return state.get("FSState") == "Operational" and state.get("CapacityRemaining", 0) > 0


def datanode(where):
    actors = json.loads(bean(where, "DataNode,name=DataNodeInfo").get("BPServiceActorInfo") or "[]")
    return bool(actors) and all(actor["ActorState"] == "RUNNING" for actor in actors)


def http(where):
    with urllib.request.urlopen(f"http://{where}", timeout=ANSWER_S) as answer:
        return answer.status == 200


CONDITIONS = {"tcp": tcp, "http": http, "zookeeper": zookeeper, "hdfs": hdfs, "datanode": datanode}


def holds(condition):
    kind, where = condition.split(":", 1)
    try:
        return CONDITIONS[kind](where)
    except OSError:  # refused, unreachable, timed out: not yet
        return False


def main(seconds, *waiting):
    deadline = time.monotonic() + float(seconds)
    daemon = os.environ.get("MAINPID")
    while waiting:
        waiting = [condition for condition in waiting if not holds(condition)]
        if waiting and daemon and not Path("/proc", daemon).exists():
            return "the daemon has died: its messages are above"
        if waiting and time.monotonic() > deadline:
            return f"after {seconds} s still waiting for {', '.join(waiting)}"
        if waiting:
            time.sleep(0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
