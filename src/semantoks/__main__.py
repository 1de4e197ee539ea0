"""``python -m semantoks``, and ``torchrun ... -m semantoks``: the command line."""

from semantoks.cli.main import main

if __name__ == "__main__":
    main()
