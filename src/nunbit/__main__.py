"""`python -m nunbit` is the command line."""

from nunbit.cli import main

main()
