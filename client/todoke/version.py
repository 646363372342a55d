"""The version of this distribution, the same as the server's of the same release."""

VERSION = "0.1.0"
