"""`python -m ragopt` is the `ragopt` command."""

from ragopt.cli.main import main

if __name__ == "__main__":
    main()
