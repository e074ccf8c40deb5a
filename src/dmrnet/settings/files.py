"""Reading of YAML files of settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_FLOAT = re.compile(
    r"[-+]?(\d[\d_]*\.[\d_]*([eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.\d[\d_]*([eE][-+]?\d+)?"
    r"|\.(inf|Inf|INF))$|\.(nan|NaN|NAN)$"
)


@cache
def _loader() -> Any:  # noqa: ANN401
    """Return PyYAML's safe loader, changed so that ``1e-3`` is a number and a date is text."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [pair for pair in pairs if not pair[0].endswith((":float", ":timestamp"))]
            for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
    return Loader


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
    if not path.is_file():
        raise FileNotFoundError(f"there is no {kind} file {path}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a YAML file of settings, got no text") from error
    return parse_tree(text, str(path))


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping with dotted keys.

    >>> flat({"a": {"b": 1}, "c": 2})
    {'a.b': 1, 'c': 2}
    """
    result: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            result.update(flat(value, f"{prefix}{key}."))
        else:
            result[f"{prefix}{key}"] = value
    return result
