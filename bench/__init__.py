"""What the figures of `bench/README.md` are made with; `python -m bench --help` says what there is."""
