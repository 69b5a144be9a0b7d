"""Tables on terminals of any width."""

from primetime.console import table

ROWS = [("store-1", "hdfs, hbase, controller, monitoring"), ("redis-1", "controller")]
HEAD = ("node", "open to")


def test_a_table_without_a_terminal_has_a_line_for_each_row() -> None:
    assert table(ROWS, HEAD) == ("node     open to\nstore-1  hdfs, hbase, controller, monitoring\nredis-1  controller")


def test_the_last_column_goes_on_below_itself_where_the_terminal_ends() -> None:
    assert table(ROWS, HEAD, columns=36) == (
        "node     open to\nstore-1  hdfs, hbase, controller,\n         monitoring\nredis-1  controller"
    )


def test_no_line_is_wider_than_the_terminal() -> None:
    assert max(map(len, table(ROWS, HEAD, columns=40).splitlines())) <= 40
