"""Which hosts are this machine."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether an address or a name reaches only this machine. A name other than localhost and those below it depends on its
    resolver."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
