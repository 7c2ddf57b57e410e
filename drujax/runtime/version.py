"""The version of drujax, defined only here."""

__version__ = "0.1.0"
