"""`python -m brnn`: the same as `brnn`."""

import sys

from brnn.cli.main import main

if __name__ == "__main__":
    sys.argv[0] = "brnn"  # the name in usage lines, and the command that a shell completes
    main()
