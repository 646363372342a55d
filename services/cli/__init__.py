"""The command line: `todoke check`, `todoke verify`."""
