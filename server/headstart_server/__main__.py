"""``python -m headstart_server``: the same as the command ``headstart-server``."""

from headstart_server.cli.app import main

main()
