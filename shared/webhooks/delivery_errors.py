"""The codes for failed deliveries, and what they mean. They reveal nothing about the address."""

ERRORS: dict[str, str] = {
    "not_allowed": "The name leads to an address to which webhooks may not lead here.",
    "unresolved": "The name of the host leads nowhere.",
    "unreachable": "No connection could be made.",
    "timeout": "No whole answer came within 15 seconds, of which a connection may take 5.",
    "tls": "The connection could not be encrypted, or the certificate is not one of this host that can be trusted.",
    "broken": "The connection ended before a whole answer had come, or what came is not HTTP.",
    "secret": "The webhook's secret could not be opened to sign with; the log of the relay says why.",
}
