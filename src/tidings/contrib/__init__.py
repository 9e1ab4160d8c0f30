"""Importers of events from other formats: what the server itself does not need."""
