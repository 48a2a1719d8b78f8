"""The extras of the package: which one is missing, in words."""


def missing_extra(error: ModuleNotFoundError) -> str:
    """The end of a sentence about a command whose packages are not installed.

    Raises:
        ModuleNotFoundError: the error itself, if the module is sidedata's own: that is a defect and no missing extra.
    """
    package = (error.name or "").partition(".")[0]
    if package in ("", "sidedata"):
        raise error
    return f"needs {package}, which is not installed: pip install 'sidedata[server]'"
