"""The firewall follows from the endpoints."""

from primetime.endpoints import Endpoint
from primetime.flows import ANY, CLOSED, Flow, flows, into, out_of, probes

CONTROLLER, STORE, SHIPPER, OTHER = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"
MEMBERS = {"hbase": [STORE], "shipper": [SHIPPER], "redis": [OTHER]}


def of(*endpoints: Endpoint) -> list[Flow]:
    return flows({STORE: [("hbase_thrift", endpoint) for endpoint in endpoints]}, MEMBERS, CONTROLLER)


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


def test_every_declared_port_is_tried_and_one_that_is_not() -> None:
    every = of(Endpoint("thrift", 9090, open_to=["shipper"]), Endpoint("rpc", 16020, open_to=["hbase"]))
    assert probes(every, SHIPPER) == [(STORE, CLOSED, False), (STORE, 9090, True), (STORE, 16020, False)]
