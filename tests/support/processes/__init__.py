"""The services as real processes, to be started, killed, frozen and stopped."""
