"""What a broken promise explains is told as following from it."""

from primetime.converge import ConvergeReport
from primetime.converge.report import Failure
from primetime.verify.judge import ANSWERS, Judgement
from primetime.verify.run import Broken, drifted, together


def broken(role: str, promise: str, depth: int = 2, node: str = "redis-1") -> Judgement:
    return Judgement(node, role, promise, False, depth=depth)


RUNS = broken("redis", "primetime-redis is running", depth=0)
LISTENS = broken("redis", "redis listens where declared (port 1)", depth=1)
ANSWERS_PING = broken("redis", "it answers ping")


def named(report_part: tuple[Broken, ...]) -> list[str]:
    return [b.promise for b in report_part]


def test_a_daemon_that_does_not_run_explains_that_it_does_not_listen_and_answer() -> None:
    report = together([ANSWERS_PING, LISTENS, RUNS])
    assert named(report.failed) == [RUNS.promise]
    assert named(report.following) == [LISTENS.promise, ANSWERS_PING.promise]
    assert report.checked == 3


def test_a_daemon_that_runs_and_does_not_listen_explains_that_it_does_not_answer() -> None:
    assert named(together([ANSWERS_PING, LISTENS]).failed) == [LISTENS.promise]


def test_nothing_explains_what_is_broken_on_another_host_or_of_another_daemon() -> None:
    others = [broken("redis", "it answers ping", node="redis-2"), broken("collector", "it lives")]
    assert named(together([RUNS, *others]).failed) == ["it lives", RUNS.promise, "it answers ping"]


def test_a_daemon_that_does_not_run_explains_that_its_exporter_has_nothing_to_tell() -> None:
    silent = broken("redis/exporter", "it shows what redis says to monitoring")
    assert named(together([RUNS, silent]).failed) == [RUNS.promise]
    assert named(together([silent]).failed) == [silent.promise]


def test_a_service_of_base_explains_nothing() -> None:
    firewall, journal = broken("base", "primetime-firewall is running", 0), broken("base", "the journal has a limit")
    assert len(together([firewall, journal]).failed) == 2


def test_a_host_that_does_not_answer_ssh_is_named_once_and_explains_all_else() -> None:
    unreachable = ConvergeReport(0, 0, (), (Failure("redis-1", "connect", ""),))
    report = together([broken("base", ANSWERS, 0), LISTENS, *drifted(unreachable, ["base"])])
    assert named(report.failed) == [ANSWERS]
    assert named(report.following) == [LISTENS.promise]


def test_an_sshd_that_was_stopped_is_named_where_the_open_connection_still_serves() -> None:
    unreachable = ConvergeReport(0, 0, (), (Failure("redis-1", "connect", ""),))
    stopped = broken("base", "ssh is running", 0)
    listens = broken("base", "ssh listens where declared (port 22)", 1)
    report = together([stopped, listens, *drifted(unreachable, ["base"])])
    assert (named(report.failed), named(report.following)) == ([stopped.promise], [listens.promise, ANSWERS])


def test_drift_is_told_of_the_daemon_by_its_role() -> None:
    changes = (("s", "Base | Keep sshd"), ("s", "HBase tables | Make them"), ("s", "HDFS NameNode | Write it"))
    report = together(drifted(ConvergeReport(3, 10, changes, ()), ["hdfs", "hdfs_namenode", "hbase", "base"]))
    assert [(b.role, b.promise) for b in report.failed] == [
        ("base", "is as converged: Keep sshd"),
        ("hbase", "is as converged: Make them"),
        ("hdfs/namenode", "is as converged: Write it"),
    ]
    assert report.checked == 10


def test_what_a_host_cannot_prove_is_neither_kept_nor_broken() -> None:
    unproved = Judgement("redis-1", "redis", "vm.overcommit_memory = 1 is in force", False, rendered=True)
    report = together([unproved, Judgement("redis-1", "redis", "it answers ping", True)])
    assert (report.checked, report.failed, report.following) == (2, (), ())
    assert named(report.rendered) == [unproved.promise]
