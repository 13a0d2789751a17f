"""Comparison with PyTorch: run by `make oracle`, which installs it; `make test` compares with the recording."""
