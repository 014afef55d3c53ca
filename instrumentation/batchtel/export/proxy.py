"""The proxy of an address, by the variables that requests and curl read."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # undocumented; requests uses it


def proxy_of(url: str, proxies: Mapping[str, str]) -> str:
    """Return the address of the proxy for `url`, by its scheme; empty where it needs none.

    `proxies` has the addresses by scheme, under `all` that of the others, and under `no` the hosts that need none.
    """
    address = urlsplit(url)
    host = address.hostname or ""
    proxy = proxies.get(address.scheme) or proxies.get("all") or ""
    without = [entry.strip() for entry in proxies.get("no", "").split(",") if entry.strip()]
    if not proxy or proxy_bypass_environment(address.netloc.rpartition("@")[2], dict(proxies)):
        return ""
    if any(entry == host or _contains(entry, host) for entry in without):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _contains(network: str, host: str) -> bool:
    """Whether `network`, as 10.0.0.0/8, contains the address `host`."""
    try:
        return "/" in network and ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
