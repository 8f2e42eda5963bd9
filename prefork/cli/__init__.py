"""The command line. This file imports nothing."""
