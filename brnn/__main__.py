"""`python -m brnn`: the same as `brnn`."""

from brnn.cli.main import main

if __name__ == "__main__":
    main()
