"""The command line: `semantoks COMMAND --help` says what a command takes; no other module knows it."""
