"""What several promises want to know of a host, asked once in a verify: a command takes its shell some 15 ms of CPU.

Called by sandbox.py. A host is testinfra's view of it, which is made anew for each verify.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

R = TypeVar("R")

_lock = threading.Lock()
_answers: WeakKeyDictionary[Any, dict[str, Future[Any]]] = WeakKeyDictionary()


def once(host: Any, what: str, ask: Callable[[], R]) -> R:
    """`ask()` for the first who wants to know `what` of a host; the others wait for that answer, or its error."""
    with _lock:
        answers = _answers.setdefault(host, {})
        first = what not in answers
        answer: Future[R] = answers.setdefault(what, Future())
    if first:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)
    return answer.result()
