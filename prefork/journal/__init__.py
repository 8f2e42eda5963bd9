"""What a pool saw and decided, kept: entries, their text form, and their replay. Pure; who carries lines is elsewhere.

from prefork.journal import read, replay

assert replay(read("incident.journal")).same_decisions()
"""
