"""Where a request comes from, through proxies whose word counts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.requests import HTTPConnection


def is_trusted(address: str, trusted: Iterable[str]) -> bool:
    """Whether an address is one of these, or in one of these networks."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in ipaddress.ip_network(each, strict=False) for each in trusted)


def forwarded_chain(connection: HTTPConnection, trusted: Iterable[str]) -> list[str]:
    """The addresses that ``X-Forwarded-For`` names, from the client on; none unless a trusted proxy sent the request.

    Args:
        connection: the request.
        trusted: addresses and networks of proxies, as ``10.0.0.0/8``.
    """
    trusted = list(trusted)
    if not trusted or connection.client is None or not is_trusted(connection.client.host, trusted):
        return []
    told = ",".join(connection.headers.getlist("x-forwarded-for"))
    return [each for part in told.split(",") if (each := part.strip())]


def client_address(connection: HTTPConnection, trusted: Iterable[str]) -> str:
    """The client's address, or "" where the server does not know it.

    Each proxy adds the address it was called from to the end of ``X-Forwarded-For``; so the first one from the end that
    is no trusted proxy's is the client's, and what stands before it is only what the client says.
    """
    trusted = list(trusted)
    address = connection.client.host if connection.client else ""
    for each in reversed(forwarded_chain(connection, trusted)):
        found = _address(each)
        if found is None:
            break
        address = found
        if not is_trusted(found, trusted):
            break
    return address


def is_https(connection: HTTPConnection, trusted: Iterable[str]) -> bool:
    """Whether the client speaks https, also where a trusted proxy takes it off (``X-Forwarded-Proto``)."""
    told = connection.headers.get("x-forwarded-proto", "")
    if told and connection.client is not None and is_trusted(connection.client.host, trusted):
        return told.rpartition(",")[2].strip().lower() in ("https", "wss")
    return connection.url.scheme in ("https", "wss")


def _address(text: str) -> str | None:
    """An address without its port, as some proxies write it; None for what is none."""
    for each in (text, text.rpartition(":")[0], text.strip("[]"), text.rpartition("]")[0].strip("[")):
        try:
            return str(ipaddress.ip_address(each))
        except ValueError:
            continue
    return None
