"""``python -m wspace``: the command line, where its script is not on the path."""

from wspace.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
