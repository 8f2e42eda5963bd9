"""Framers: what all of them are, and the two that a worker may need without a name.

The other families are the modules beside this one, each imported where it is used (`from prefork import Netstring`).
"""

from prefork.app.framing.base import NEED_MORE, Decoder, Framer, FramingError, Need
from prefork.app.framing.lines import Lines
from prefork.app.framing.stream import Stream

__all__ = ["NEED_MORE", "Decoder", "Framer", "FramingError", "Lines", "Need", "Stream"]
