"""What pages for people share: one file each that needs nothing else, light and dark, on screens and on paper.

Called by the certificate's page and by the report of a show: `render` fills in a template that lies beside its module
and may include `style.css` and what is drawn in more than one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@dataclass(frozen=True)
class Drawing:
    """The room for a curve with its margins, in units of its SVG."""

    inner_width: float = 860
    inner_height: float = 240
    left: float = 64
    top: float = 14

    @property
    def right(self) -> float:
        return self.left + self.inner_width

    @property
    def base(self) -> float:
        return self.top + self.inner_height

    @property
    def middle(self) -> float:
        return self.left + self.inner_width / 2

    @property
    def width(self) -> float:
        return self.right + 16

    @property
    def height(self) -> float:
        return self.base + 28


BURST = Drawing()


def render(package: str, template: str, filters: Mapping[str, Callable[[Any], str]] = {}, **values: Any) -> str:
    """The template of this name in a package, filled in; a value that is missing is an error."""
    environment = Environment(
        loader=PackageLoader(__name__, ""),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["drawing"] = BURST
    environment.filters["number"] = lambda value: "-" if value is None else f"{value:,}"
    environment.filters |= filters
    text = resources.files(package).joinpath(template).read_text(encoding="utf-8")
    return environment.from_string(text).render(**values)
