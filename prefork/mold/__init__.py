"""The process that imports the app and forks workers; the first and last lines of a worker. This file imports nothing."""
