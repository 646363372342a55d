"""The command line: `todoke-server check`, `todoke-server verify`."""
