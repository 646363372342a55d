"""`python -m todoke.cli`."""

from todoke.cli import main

main()
