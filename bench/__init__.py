"""The measurements behind `bench/README.md`; `python -m bench --help` lists them."""
