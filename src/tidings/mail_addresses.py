"""Mail addresses: the deliverable ones, and those of one mailbox."""

from email.errors import MessageError
from email.headerregistry import Address

_ENCODED_WORD = "=?"
"""The beginning of a word in another character set (RFC 2047). A program that decodes it writes to another address."""
_GMAIL = frozenset({"gmail.com", "googlemail.com"})
"""Two names of one provider, both of which reach each of its mailboxes."""


def recipient(address: str) -> Address:
    """An address for the header of a mail. Raises ValueError for an address that is invalid there, although a form in a
    browser accepts it: a name with a dot at its beginning or end or two together, or with an encoded word."""
    try:
        found = Address(addr_spec=address)
    except (MessageError, IndexError, ValueError):
        raise ValueError("it is no mail address") from None
    if not (found.username and found.domain) or _ENCODED_WORD in found.username:
        raise ValueError("it is no mail address")
    return found


def counted_mailbox(address: str) -> str:
    """The text by which mails to an address are counted, the same for all variants that reach one mailbox.

    - Case makes no difference: a domain has none (RFC 4343), and no provider of note tells names apart by it.
    - A tag ("+" and what follows it in the name) is dropped, since most providers deliver to the name without it.
    - Dots in the name are dropped at Gmail alone, which ignores them. Elsewhere a.b and ab are two users.

    Only for counts: a mail goes to the address as it was given. Where a rule does not hold for a provider, two of its users
    share a limit, and none gets a mail that is meant for the other.
    """
    name, _, host = address.lower().rpartition("@")
    name = name.partition("+")[0]
    if host in _GMAIL:
        name, host = name.replace(".", ""), "gmail.com"
    return f"{name}@{host}"
