"""Limits of a service, and who may use it; imports nothing that is slow."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address


@dataclass(frozen=True)
class Limits:
    """Limits of a service.

    Attributes:
        batch: Most samples that are predicted together, and most in one request.
        queue: Most samples that wait; further requests are answered with 503.
        seconds: Longest time for reading a request, and again for predicting it.
        megabytes: Largest request.
        token: Token that requests must carry (``Authorization: Bearer ...``); None for none.

    Raises:
        ValueError: If a limit is not above 0, or the token is empty or not plain ASCII.
    """

    batch: int = 64
    queue: int = 1024
    seconds: float = 10.0
    megabytes: float = 16.0
    token: str | None = None

    def __post_init__(self) -> None:
        for name in ("batch", "queue", "seconds", "megabytes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"expected {name} above 0, got {getattr(self, name)}")
        if self.queue < self.batch:
            raise ValueError(
                f"expected a queue of at least one batch ({self.batch}), got {self.queue}"
            )
        if self.token is not None and (
            not self.token or not self.token.isascii() or not self.token.isprintable()
        ):
            raise ValueError("expected a token of printable ASCII characters, got another")

    @property
    def bytes(self) -> int:
        """Largest request, in bytes."""
        return int(self.megabytes * 1e6)


def check_exposure(host: str, token: str | None) -> None:
    """Refuse to listen beyond this machine without a token.

    Raises:
        ValueError: If the host is not a loopback address and there is no token.

    >>> check_exposure("127.0.0.1", None)
    """
    if token is None and not is_loopback(host):
        raise ValueError(
            f"host {host} (--host) lets other machines in, which needs a token: give one "
            "(token, --token-file FILE), or set DMRNET_TOKEN"
        )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
