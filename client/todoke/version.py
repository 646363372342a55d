"""The version of this distribution; the server's of the same release has the same."""

VERSION = "0.1.0"
