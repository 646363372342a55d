"""The operator's command, `todoke-server`: one module per group of commands, imported only when it runs."""
