"""The command line ``aeries-pipeline``: thin commands around the other packages."""
