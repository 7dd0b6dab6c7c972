"""``python -m countermark``."""

from countermark.cli.main import main

main()
