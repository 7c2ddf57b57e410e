"""`python -m drujax` is the command `drujax`."""

import sys

from drujax.cli import main

if __name__ == "__main__":
    sys.exit(main())
