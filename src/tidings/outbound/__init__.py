"""Out of the application: what is due is decided, worded and carried by e-mail, web push, webhooks and apprise."""
