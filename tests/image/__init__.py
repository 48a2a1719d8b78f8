"""The image of deploy/Dockerfile and the containers of deploy/compose.yaml where there is no container engine.

`build` does a Dockerfile's instructions, in a folder (`tests/deploy/test_image.py`) or by chroot in a root file system of its own;
`python -m tests.image ROOT` does the latter, as root, and runs what compose.yaml says on it: see `tests/image/__main__.py`.
"""
