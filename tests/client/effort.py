"""How many times connections are cut: a sample in ``make test``, more with ``SOAK=1`` (``make soak``)."""

import os

CUTS = 2_000 if os.environ.get("SOAK") else 100
