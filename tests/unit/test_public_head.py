"""The end of the log as far as visitors may know it."""

from tidings.commit_effects import CommitEffects
from tidings.public_head import PublicHead


def test_the_public_end_moves_with_public_commits() -> None:
    """Never backwards, and not with a commit that has nothing public."""
    public = PublicHead(10)
    for at, expected in ((12, 12), (0, 12), (11, 12)):
        public.committed(CommitEffects(position=20, public_position=at))
        assert public.position == public.beginning(20) == expected


def test_far_behind_it_moves_once_and_not_with_each_commit() -> None:
    """The fault: a quarter of the history behind, each stream began at the last position of the log."""
    public = PublicHead(0, history=100)
    assert [public.beginning(head) for head in (25, 26, 27, 50, 52)] == [0, 26, 26, 26, 52]
    assert public.position == 52


def test_a_stream_continues_within_the_history_wherever_the_log_ends() -> None:
    """A cursor that the store would refuse is refused before, whatever was committed since."""
    public = PublicHead(200, history=100)
    for head in range(200, 300):
        public.beginning(head)
        assert public.oldest >= head - 100
