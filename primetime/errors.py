"""The one error that reaches an operator: a sentence that says what, where, and the next step."""


class PrimetimeError(Exception):
    """Something went wrong that a person can act on; `str()` is printed, exit code is `exit_code`."""

    exit_code = 1


class UsageError(PrimetimeError):
    """The command was called wrongly."""

    exit_code = 2


class NotAsDeclared(PrimetimeError):
    """The world differs from what is declared: a failed verify, something missing, something left."""

    exit_code = 3
