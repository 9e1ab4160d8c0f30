"""Deliveries outside of the application: by e-mail, Web Push, webhooks and Apprise."""
