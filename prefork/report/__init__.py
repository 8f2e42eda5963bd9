"""What simulated runs looked like: a page with interactive plots, and a picture. Text and bytes; nothing is written.

plotly and matplotlib are imported when something is drawn: they are the extra `report`.
"""

from prefork.report.content import Column, Content
from prefork.report.page import page
from prefork.report.picture import picture

__all__ = ["Column", "Content", "page", "picture"]
