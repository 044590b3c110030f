"""TLS that the webhook looks after itself: an authority, a certificate, and who must trust it."""
