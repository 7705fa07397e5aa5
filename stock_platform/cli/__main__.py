"""`python -m stock_platform.cli` is `stock-platform`."""

from stock_platform.cli.main import main

main()
