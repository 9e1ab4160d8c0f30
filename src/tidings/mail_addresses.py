"""Mail addresses: which of them are one mailbox."""

_GMAIL = frozenset({"gmail.com", "googlemail.com"})
"""Two names of one provider, by both of which each of its mailboxes is reached."""


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
