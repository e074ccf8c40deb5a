"""Flags of ``dmrnet fit`` that another command hands on to each of its runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dmrnet.hints import nearest


def check_run_flags(
    command: str, data: str, methods: Sequence[str], words: Sequence[str], own: Iterable[str]
) -> None:
    """Check what can be checked without loading torch, before processes start.

    Args:
        command: The command, for the error.
        data: The data set that flags ``--data.*`` are for.
        methods: The methods that flags ``--method.*`` are for.
        words: The flags.
        own: Flags of the command itself, without hyphens: what a misspelt one may be near to.

    Raises:
        ValueError: If a flag is unknown or lacks its value, or is the command's own to set.
    """
    from dmrnet.settings.config import parse_data
    from dmrnet.settings.flags import checked_flags, read_flags
    from dmrnet.settings.options import Option, options_of
    from dmrnet.settings.training import Training

    flags = [flag for flag in read_flags(words) if not flag[0].startswith(("method.", "config"))]
    for name, _ in read_flags(words):
        if name in ("method.name", "seed"):
            raise ValueError(
                f"{command} itself sets --{name.partition('.')[0]}; --seeds says how many seeds, "
                "and dmrnet fit trains one method"
            )
    # Those of the command itself are gone by now; here they are what a misspelt one is near to.
    known = [*(Option(name, str, "", "") for name in own), *options_of(Training)]
    others = [flag for flag in flags if not flag[0].startswith("data.")]
    checked_flags(others, {option.key: option for option in known})
    for name, _ in read_flags(words):
        if name.startswith("method."):
            check_method(command, methods, name)
    of_data = [word for name, value in flags if name[:5] == "data." for word in (name, value)]
    parse_data(data, [word if at % 2 else f"--{word}" for at, word in enumerate(of_data) if word])


def check_method(command: str, methods: Sequence[str], name: str) -> None:
    """Check the name of a setting that every method gets.

    Args:
        command: The command, for the error.
        methods: Their names.
        name: Of the setting, ``method.`` before it.

    Raises:
        ValueError: If one of the methods has none of that name.
    """
    from dmrnet.cli.fit.method_options import kept

    flag = "--" + name.replace("_", "-")
    known = {method: list(kept(method)["settings"]) for method in methods}
    # Names of the user's own stand behind some flags.
    lacking = [
        method
        for method, flags in known.items()
        if not any(flag == one or _own(flag, one) for one in flags)
    ]
    if lacking:
        everywhere = [
            flag for flag in known[methods[0]] if all(flag in of for of in known.values())
        ]
        raise ValueError(
            f"unknown setting {flag} of method {lacking[0]}, and {command} sets it for all of "
            f"{', '.join(methods)}; {nearest(flag, everywhere)}"
        )


def _own(flag: str, of: str) -> bool:
    return of.endswith(".NAME") and flag.startswith(of.removesuffix("NAME"))
