"""Reading and writing of YAML of settings.

Unlike PyYAML's own, ``1e-3`` is a number, ``010`` is ten, a date and ``12:30`` are text, and a key
that stands twice is an error. A path that is no Unicode is ``!!binary``: its bytes in base64.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dmrnet.text import is_plain
from dmrnet.untrusted import check_regular

_FLOAT = re.compile(
    r"[-+]?(\d[\d_]*\.[\d_]*([eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.\d[\d_]*([eE][-+]?\d+)?"
    r"|\.(inf|Inf|INF))$|\.(nan|NaN|NAN)$"
)
_INTEGER = re.compile(r"[-+]?(\d[\d_]*|0x[\da-fA-F_]+|0o[0-7_]+)$")
_BINARY = "tag:yaml.org,2002:binary"


@cache
def _loader() -> Any:  # noqa: ANN401
    """Return PyYAML's safe loader, changed as the module says."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [p for p in pairs if not p[0].endswith((":float", ":int", ":timestamp"))]
            for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: ANN401
            lines: dict[str, int] = {}
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                    line = key.start_mark.line + 1
                    if key.value in lines:
                        first = lines[key.value]
                        where = f"in line {first} and in line {line}"
                        where = f"twice in line {line}" if first == line else where
                        raise ValueError(f"{key.value} stands {where}; leave one")
                    lines[key.value] = line
            return super().construct_mapping(node, deep)

        def construct_integer(self, node: Any) -> int:  # noqa: ANN401
            text = str(self.construct_scalar(node)).replace("_", "")
            return int(text, 0 if text.lstrip("-+")[:2] in ("0x", "0o") else 10)

        def construct_path(self, node: Any) -> str:  # noqa: ANN401
            return os.fsdecode(self.construct_yaml_binary(node))

    _add_numbers(Loader)
    Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_integer)
    Loader.add_constructor(_BINARY, Loader.construct_path)
    return Loader


def _add_numbers(reader_or_writer: Any) -> None:  # noqa: ANN401
    """Let a loader read these texts as numbers, and a dumper quote them where they are texts."""
    add = reader_or_writer.add_implicit_resolver
    add("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
    add("tag:yaml.org,2002:int", _INTEGER, list("-+0123456789"))


@cache
def _dumper() -> Any:  # noqa: ANN401
    import yaml

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        def represent_text(self, text: str) -> Any:  # noqa: ANN401
            try:
                text.encode()
            except UnicodeEncodeError:
                return self.represent_binary(os.fsencode(text))
            # In another style PyYAML writes some line breaks as they are, and reads others.
            style = None if is_plain(text) else '"'
            return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    _add_numbers(Dumper)
    Dumper.add_representer(str, Dumper.represent_text)
    return Dumper


def dump_tree(tree: Any) -> str:  # noqa: ANN401
    r"""Return the YAML text of plain values, which `parse_tree` reads.

    >>> dump_tree({"seed": 1, "train": "\udcff.npz"})
    'seed: 1\ntrain: !!binary |\n  /y5ucHo=\n'
    """
    import yaml

    text: str = yaml.dump(tree, Dumper=_dumper(), allow_unicode=True, sort_keys=False)
    return text


def parse_tree(text: str, source: str = "") -> Any:  # noqa: ANN401
    """Return the content of YAML text; a `ValueError` about it names its file, `source`.

    >>> parse_tree("{lr: 1e-3, sampler: none}")
    {'lr': 0.001, 'sampler': 'none'}
    """
    import yaml

    try:
        return yaml.load(text, Loader=_loader())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{source}: expected YAML, one `name: value` a line; {reason}") from error


def read_tree(path: Path, kind: str = "config") -> Any:  # noqa: ANN401
    """Return the content of a YAML file; `kind` names it in the error if there is no such file.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is not YAML.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no {kind} file {path}")
    check_regular(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a YAML file of settings, got no text") from error
    return parse_tree(text, str(path))


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping with dotted keys.

    Raises:
        ValueError: If two keys are one.

    >>> flat({"a": {"b": 1}, "c": 2})
    {'a.b': 1, 'c': 2}
    """
    result: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        inside = flat(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
        if twice := inside.keys() & result.keys():
            raise ValueError(f"{min(twice)} is set twice; leave one")
        result |= inside
    return result
