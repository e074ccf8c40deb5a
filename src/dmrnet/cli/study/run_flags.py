"""Flags of ``dmrnet fit`` that another command gives to each of its runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def check_run_flags(
    command: str, data: str, methods: Sequence[str], words: Sequence[str], own: Iterable[str]
) -> None:
    """Check flags against the settings of a data set and of each method, before processes start.

    Args:
        command: The command, for the error.
        data: Data set that flags ``--data.*`` are for.
        methods: Methods that flags ``--method.*`` are for.
        words: The flags.
        own: Flags of the command itself, without hyphens: an unknown flag may be near one of them.
    """
    from dmrnet.settings.config import parse_data, run_options
    from dmrnet.settings.flags import read_flags, values_of_flags
    from dmrnet.settings.options import Option

    flags = [flag for flag in read_flags(words) if flag[0] != "config"]
    for name, _ in flags:
        if name in ("method.name", "seed"):
            raise ValueError(
                f"{command} itself sets --{name.partition('.')[0]}; --seeds says how many seeds, "
                "and dmrnet fit trains one method"
            )
    for method in methods:
        options = {**run_options(data, method), **{name: Option(name, str, "", "") for name in own}}
        try:
            values_of_flags(flags, options)
        except ValueError as error:
            every = f"; {command} sets it for {', '.join(methods)}" if len(methods) > 1 else ""
            raise ValueError(f"{error}{every}") from error
    of_data = [(name, value) for name, value in flags if name.startswith("data.")]
    parse_data(data, [f"--{name}{'' if value is None else f'={value}'}" for name, value in of_data])
