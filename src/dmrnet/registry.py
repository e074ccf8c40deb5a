"""Open lists of named things: built in, registered at run time, or offered by installed packages.

Imports nothing of dmrnet but hints, and none of the things before they are loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module, metadata
from typing import Any, Generic, TypeVar

from dmrnet.hints import nearest
from dmrnet.text import is_plain

T = TypeVar("T")
Item = TypeVar("Item")


@cache
def _offered(path: tuple[str, ...]) -> Any:  # noqa: ANN401
    """Return the entry points of all packages on a path; it takes 10 ms, so all groups share it.

    Their type differs between Python 3.11 and 3.12.
    """
    return metadata.entry_points()


def entry_points(group: str) -> metadata.EntryPoints:
    """Return the entry points of a group."""
    found: metadata.EntryPoints = _offered(tuple(sys.path)).select(group=group)
    return found


class Registry(Mapping[str, str], Generic[T]):
    """Import paths ``module:attribute`` by name; `load` imports and returns the object.

    Names come from three sources: those built in, those of the entry points of installed packages,
    and those that `register` added in this process.

    Args:
        kind: Word for one of its things in messages, such as ``method``.
        group: Group of entry points in which other packages offer theirs.
        builtin: Import path of each thing of this package.

    >>> colours = Registry("colour", "dmrnet.colours", {"red": "builtins:str"})
    >>> colours.register("blue")(int)
    <class 'int'>
    >>> list(colours), colours.load("blue")
    (['red', 'blue'], <class 'int'>)
    """

    def __init__(self, kind: str, group: str, builtin: Mapping[str, str]) -> None:
        self.kind, self.group = kind, group
        self._paths = dict(builtin)
        self._builtin = frozenset(builtin)
        self._registered: dict[str, T] = {}
        self._searched = False

    def _known(self) -> dict[str, str]:
        if not self._searched:
            self._searched = True
            for point in entry_points(group=self.group):
                if (path := self._paths.setdefault(point.name, point.value)) != point.value:
                    sys.stderr.write(
                        f"warning: the {self.kind} {point.name} of {point.value} is left out: the "
                        f"name stands for {path}\n"
                    )
        return self._paths

    def __getitem__(self, name: str) -> str:
        """Return the import path of a name."""
        return self._known()[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names: built in, of entry points, registered."""
        return iter(self._known())

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self._known())

    def is_builtin(self, name: str) -> bool:
        """Return whether a name stands for something of this package."""
        return name in self._builtin

    def check(self, name: str) -> None:
        """Raise `ValueError` if there is nothing of that name; it has the nearest one."""
        if name not in self._known():
            raise ValueError(f"unknown {self.kind} {name!r}; {nearest(name, self)}")

    def load(self, name: str) -> T:
        """Return the object of a name.

        Raises:
            ValueError: If there is none, or it cannot be imported.
        """
        self.check(name)
        if name in self._registered:
            return self._registered[name]
        module, _, attribute = self._paths[name].partition(":")
        try:
            item: T = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            if name in self._builtin:
                raise
            raise ValueError(
                f"{self.kind} {name}: {self._paths[name]} cannot be imported ({error}); reinstall "
                "or remove the package that offers it"
            ) from error
        return item

    def register(self, name: str) -> Callable[[Item], Item]:
        """Return a decorator that adds a class or function under a name in this process.

        A definition that is run again, as in a notebook, replaces the one before.

        Raises:
            ValueError: If the name is empty, or stands for something else already.
        """
        given: object = name
        if not isinstance(given, str):
            decorator = f'@register_{self.kind.replace(" ", "")}("name")'
            raise TypeError(
                f"expected the name of the {self.kind}, as in {decorator}, got "
                f"{type(given).__name__}"
            )
        if not name or not is_plain(name) or any(c.isspace() or c in ":=" for c in name):
            raise ValueError(
                f"expected a name of the {self.kind} without spaces, ':' and '=', got {name!r}"
            )

        def add(item: Any) -> Any:  # noqa: ANN401
            path = f"{item.__module__}:{item.__qualname__}"
            if self._known().get(name, path) != path:
                raise ValueError(
                    f"the name {name!r} stands for the {self.kind} {self._paths[name]} already; "
                    "choose another"
                )
            self._paths[name] = path
            self._registered[name] = item
            return item

        return add
