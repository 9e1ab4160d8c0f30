"""Which hosts are this machine."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether only this machine can be reached at an address, or by a name. One other than localhost, also below it, is
    whatever its resolver answers."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
