"""`python -m elue` is the `elue` command."""

from elue.cli import main

main()
