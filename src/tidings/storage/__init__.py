"""Back-ends: each keeps every promise of ``tidings.ports.Store``."""
