"""The child's side of a converge: `python -m primetime.converge.runner TOPOLOGY [--dry] [--limit a,b] [--here a]`.

Standard output carries JSON lines only: {"progress": "..."} and at last the result. pyinfra's log goes to standard
error. Started by primetime.converge.run.
"""

from gevent import monkey

monkey.patch_all()

import argparse  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import sys  # noqa: E402
from contextlib import suppress  # noqa: E402
from typing import Any  # noqa: E402

import pyinfra  # noqa: E402
from pyinfra.api import operations  # noqa: E402
from pyinfra.api.config import Config  # noqa: E402
from pyinfra.api.connect import connect_all, disconnect_all  # noqa: E402
from pyinfra.api.exceptions import PyinfraError  # noqa: E402
from pyinfra.api.host import Host  # noqa: E402
from pyinfra.api.inventory import Inventory as Hosts  # noqa: E402
from pyinfra.api.state import State, StateStage  # noqa: E402
from pyinfra.context import ctx_config, ctx_host, ctx_inventory, ctx_state  # noqa: E402
from pyinfra_cli.exceptions import CliError, UnexpectedExternalError  # noqa: E402
from pyinfra_cli.util import exec_file, load_func  # noqa: E402

from primetime.converge import connector, order  # noqa: E402
from primetime.converge.dependants import Dependants  # noqa: E402
from primetime.converge.order import OrderedState  # noqa: E402
from primetime.converge.plan import effective_changes, performed_changes  # noqa: E402
from primetime.converge.watch import Watch  # noqa: E402
from primetime.errors import PrimetimeError  # noqa: E402
from primetime.inventory import Inventory, check_host_data, groups_of, live  # noqa: E402
from primetime.overrides import group_data  # noqa: E402
from primetime.paths import REPO  # noqa: E402
from primetime.topology import load  # noqa: E402


def tell(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def main() -> None:
    arguments = _arguments()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    connector.install()
    order.install()
    operations._run_host_op_with_context = _contain(operations._run_host_op_with_context)
    pyinfra.is_cli = True  # so that operations are ordered by their place in deploy.py
    try:
        inventory = live(load(arguments.topology), here=bool(arguments.here))
        limit = arguments.limit.split(",") if arguments.limit else []
        inventory.topology.require_nodes(limit)
        state = _state(inventory, limit, arguments.here)
        try:
            tell(_converge(state, arguments.dry))
        finally:
            disconnect_all(state)
    except (PrimetimeError, PyinfraError, CliError, UnexpectedExternalError) as error:
        if isinstance(error, PrimetimeError):
            tell({"error": str(error), "exit_code": error.exit_code})
        else:
            tell({"error": f"pyinfra: {_sentence(error)}", "exit_code": 1})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("topology")
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("--limit", default="")
    parser.add_argument("--here", default="")
    return parser.parse_args()


def _sentence(error: Exception) -> str:
    if isinstance(error, UnexpectedExternalError):
        # pyinfra wraps whatever a deploy file raised; the cause says more than the wrapper
        return f"{error.filename}: {type(error.exception).__name__}: {error.exception}"
    return str(error)


def _state(inventory: Inventory, limit: list[str], here: str) -> State:
    """A pyinfra state over the live nodes, with group_data, checked, not yet connected."""
    groups = groups_of(inventory, here)
    state = OrderedState(check_for_changes=True)
    state.cwd = str(REPO)
    ctx_state.set(state)
    overrides = group_data()
    named = {name: (hosts, dict(overrides.get(name, {}))) for name, hosts in groups.items() if name != "all"}
    hosts = Hosts((groups["all"], dict(overrides.get("all", {}))), **named)
    for host in hosts:
        check_host_data(host.data.dict(), host.name)
        host.connector_cls = connector.Here if here else connector.FastSSH
    config = Config(DIFF=True)
    ctx_config.set(config)
    ctx_inventory.set(hosts)
    config.lock_current_state()
    state.init(hosts, config, initial_limit=[hosts.get_host(name) for name in limit] if limit else None)
    return state


def _converge(state: State, dry: bool) -> dict[str, Any]:
    watch, dependants = Watch(tell), Dependants()
    state.add_callback_handler(watch)
    state.add_callback_handler(dependants)
    state.set_stage(StateStage.Connect)
    with suppress(PyinfraError):  # "no hosts remaining": told host by host
        connect_all(state)
    watch.note_lost(state, "connect")
    state.set_stage(StateStage.Prepare)
    tell({"progress": f"looking at {len(state.active_hosts)} hosts"})
    _prepare(state)
    watch.note_lost(state, "looking at it")
    number = sum(len(ops) for ops in state.ops.values())
    wanted = effective_changes(state)
    tell({"progress": f"{len(wanted)} of {number} operations would change something"})
    # With no change wanted there is nothing that a later operation could still see: the plan is exact.
    if not dry and wanted:
        state.set_stage(StateStage.Execute)
        watch.expect(state, wanted)
        dependants.begin(state)
        with suppress(PyinfraError):
            operations.run_ops(state)
        watch.settle(state)
        watch.keep_pace()
    return {
        "operations": number,
        "changes": wanted if dry else performed_changes(state),
        "failures": watch.failures,
        "not_tried": [vars(left_out) for left_out in dependants.not_tried],
    }


def _prepare(state: State) -> None:
    """Load deploy.py for every host; what goes wrong on a host that did not answer a question is not the deploy's."""
    state.current_deploy_filename = str(REPO / "deploy.py")

    def load() -> None:
        try:
            exec_file(state.current_deploy_filename)
        except Exception:
            if ctx_host.get() not in state.failed_hosts:
                raise

    load_func(state, load)


def _contain(run: Any) -> Any:
    """An operation that raises fails on its host, as one whose command fails: pyinfra would end the whole run."""

    def contained(state: State, host: Host, op_hash: str) -> Any:
        try:
            return run(state, host, op_hash)
        except Exception as error:
            host.log(f"{type(error).__name__}: {error}", log_func=pyinfra.logger.error)
            state.trigger_callbacks("operation_host_error", host, op_hash)
            return False

    return contained


if __name__ == "__main__":
    main()
