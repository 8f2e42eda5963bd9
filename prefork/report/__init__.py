"""Runs and settings, drawn: pages with interactive plots, and pictures. Text and bytes; nothing is written.

plotly and matplotlib are imported when something is drawn: they are the extra `report`.
"""

from prefork.report.content import Column, Content
from prefork.report.page import page
from prefork.report.picture import picture
from prefork.report.settings import Tuned, settings_page, settings_picture

__all__ = ["Column", "Content", "Tuned", "page", "picture", "settings_page", "settings_picture"]
