"""Which mail addresses can be written to, and which count as one mailbox."""

import pytest

from tidings.mail_addresses import counted_mailbox, recipient

ONE_MAILBOX = [
    ("bob@example.org", "bob@EXAMPLE.org"),
    ("bob@example.org", "Bob@example.org"),
    ("bob@example.org", "bob+news@example.org"),
    ("bob@example.org", "bob+a+b@example.org"),
    ("jdoe@gmail.com", "j.d.o.e@gmail.com"),
    ("jdoe@gmail.com", "jdoe@googlemail.com"),
    ("jdoe@gmail.com", "J.Doe+news.2@GoogleMail.com"),
]
TWO_MAILBOXES = [
    ("bob@example.org", "bob@example.com"),
    ("bob@example.org", "bob@mail.example.org"),
    ("j.doe@example.org", "jdoe@example.org"),
    ("j.doe@gmail.com.example.org", "jdoe@gmail.com.example.org"),
    ("bob-news@example.org", "bob@example.org"),
]


@pytest.mark.parametrize(("one", "other"), ONE_MAILBOX)
def test_variants_that_reach_one_mailbox_count_as_one(one: str, other: str) -> None:
    """Case, tags, and at Gmail dots and its second name."""
    assert counted_mailbox(one) == counted_mailbox(other)


@pytest.mark.parametrize(("one", "other"), TWO_MAILBOXES)
def test_addresses_of_two_users_count_apart(one: str, other: str) -> None:
    """Dots mean something elsewhere, and a hyphen is no tag."""
    assert counted_mailbox(one) != counted_mailbox(other)


@pytest.mark.parametrize(
    "address", ["bob.o'neill+news@mail.example.org", "a@b", "{x}|~^`@example.org", "?@example.org"]
)
def test_an_address_is_read_from_a_header_as_it_was_given(address: str) -> None:
    """However unusual."""
    assert recipient(address).addr_spec == address


@pytest.mark.parametrize(
    "address",
    [
        "a..b@example.org",
        ".a@example.org",
        "a.@example.org",
        "=?utf-8?q?a=2cb?=@example.org",
        "a.=?utf-8?q?x?=@example.org",
        "bob",
        "@example.org",
        "",
        "Bob <bob@example.org>",
    ],
)
def test_what_no_mail_can_be_written_to_is_refused(address: str) -> None:
    """The fault: a registration accepted it, and each notification was a dead letter. An encoded word may be decoded by
    another mail program, and then names another mailbox."""
    with pytest.raises(ValueError, match="no mail address"):
        recipient(address)
