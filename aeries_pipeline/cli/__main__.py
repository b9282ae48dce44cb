"""``python -m aeries_pipeline.cli`` does what ``aeries-pipeline`` does."""

from aeries_pipeline.cli.main import main

main()
