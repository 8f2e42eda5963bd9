"""The parent process: it observes, asks the policy, and acts. This file imports nothing."""
