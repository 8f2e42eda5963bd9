"""The version, without the cost of importlib.metadata; pyproject.toml reads it from here."""

VERSION = "0.1.0"
