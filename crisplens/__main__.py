"""`python -m crisplens`: the command line."""

from crisplens.cli.main import main

main()
