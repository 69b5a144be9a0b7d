"""The firewall follows from the endpoints."""

from collections.abc import Iterable

from primetime.endpoints import Endpoint
from primetime.flows import ANY, CLOSED, Flow, flows, into, out_of, probes

CONTROLLER, STORE, SHIPPER, OTHER = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"
MEMBERS = {"hbase": [STORE], "shipper": [SHIPPER], "redis": [OTHER]}


def of(*endpoints: Endpoint) -> list[Flow]:
    return flows({STORE: [("hbase_thrift", endpoint) for endpoint in endpoints]}, MEMBERS, [CONTROLLER])


def test_an_endpoint_is_open_to_the_hosts_of_the_roles_it_names() -> None:
    assert of(Endpoint("thrift", 9090, open_to=["shipper", "controller"]))[0].sources == (CONTROLLER, SHIPPER)


def test_a_public_endpoint_is_open_to_anybody() -> None:
    assert of(Endpoint("http", 80, open_to=["public", "shipper"]))[0].sources == (ANY,)


def test_an_endpoint_on_the_loopback_is_no_flow() -> None:
    assert of(Endpoint("status", 99, loopback=True)) == []


def test_a_host_may_begin_what_others_open_to_it_and_nothing_else() -> None:
    every = of(Endpoint("thrift", 9090, open_to=["shipper"]))
    assert (len(out_of(every, SHIPPER)), out_of(every, OTHER), out_of(every, STORE)) == (1, [], [])


def test_flows_into_a_host_are_its_own() -> None:
    every = of(Endpoint("thrift", 9090, open_to=["shipper"]))
    assert (len(into(every, STORE)), into(every, SHIPPER)) == (1, [])


def tried(*endpoints: Endpoint, listening: Iterable[tuple[str, int]] = ()) -> set[tuple[str, int, bool]]:
    """(transport, port, must get through) of what the shipper's host tries on the store's."""
    found = probes(of(*endpoints), SHIPPER, [STORE, SHIPPER], listening)
    assert {probe.address for probe in found} == {STORE}
    return {(probe.transport, probe.port, probe.wanted) for probe in found}


def test_every_declared_port_is_tried_and_one_that_is_not() -> None:
    endpoints = Endpoint("thrift", 9090, open_to=["shipper"]), Endpoint("rpc", 16020, open_to=["hbase"])
    assert tried(*endpoints) == {
        ("tcp", CLOSED, False),
        ("udp", CLOSED, False),
        ("tcp", 9090, True),
        ("tcp", 16020, False),
    }


def test_a_port_that_something_listens_on_anywhere_is_tried_everywhere() -> None:
    assert ("udp", 5353, False) in tried(listening=[("udp", 5353)])


def test_a_port_declared_for_one_transport_is_closed_for_the_other() -> None:
    found = tried(Endpoint("time", 123, open_to=["shipper"], transport="udp"), listening=[("tcp", 123)])
    assert {("udp", 123, True), ("tcp", 123, False)} <= found


def test_a_group_whose_members_come_and_go_is_let_in_by_its_network() -> None:
    """What is in the network by an address of its own needs no word more; what is outside of it does."""
    endpoint = Endpoint("redis", 6379, open_to=["shipper", "monitoring", "controller"])
    members = {"shipper": ["10.0.0.0/20"], "monitoring": [OTHER]}
    [flow] = flows({STORE: [("redis", endpoint)]}, members, ["203.0.113.7/32"])
    assert flow.sources == ("10.0.0.0/20", "203.0.113.7/32")
    assert flow.open_to("10.0.15.9") and not flow.open_to("10.0.16.1")
