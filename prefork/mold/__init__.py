"""The process that imports the app and forks workers; a worker's first and last lines. This file imports nothing."""
