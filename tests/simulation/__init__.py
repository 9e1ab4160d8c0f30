"""Whole servers, networks and devices in one process, in virtual time, from one number.

A seed draws a plan (:mod:`.plan`), and everything after that: delays, failures, what people do. The same seed is the same
story to the millisecond, so a failure is repeated by its seed alone:

    SEED=123 .venv/bin/python -m pytest tests/simulation/test_simulation.py

and the failure shows the plan and the end of the trace. ``make test`` runs 500 seeds, ``make simulate`` 10,000 (or
``SEEDS=…`` as many, ``SEED=…`` one), both on all cores (:mod:`.runs`).

Real: the hub and its streams with all three encoders, the log, the runner, the services, the wording, the reference store or
SQLite; the client's session with all it is made of, and its fold. Simulated: time (:mod:`.loop`), the network
(:mod:`.network`), the far end of a WebSocket (:mod:`.sockets`), how long the store takes and when it fails
(:mod:`.store`), the bus (:mod:`.server`), the few lines of HTTP between a request and a service, people (:mod:`.acts`) and
misfortune (:mod:`.nemesis`).

A run is a storm and then calm, up to eight times. In the calm everything must settle within a bound of virtual time, and
then every checker looks (:mod:`.checks`). What happened is counted (:mod:`.tally`), and what a run of many seeds has to
bring is asked for. :mod:`.planted` breaks the real code on purpose, once for each law.

To add something that people do, write it in :mod:`.acts`, name it in ``plan.ACTS``; what befalls them, in
:mod:`.nemesis` and ``plan.BLOWS``. Draw only from the world's ``rng``, and iterate over nothing whose order is that of
hashes.
"""
