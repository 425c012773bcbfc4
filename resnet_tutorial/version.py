"""The version, in a module of its own that everything may import."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("resnet-tutorial")
except PackageNotFoundError:  # used from a folder without being installed
    __version__ = "0+unknown"
