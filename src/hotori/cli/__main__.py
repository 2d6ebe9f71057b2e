"""`python -m hotori.cli`: the same as the `hotori` command."""

import sys

from hotori.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
