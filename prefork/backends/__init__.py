"""The loops that serve sessions in a worker, and the contract they keep. This file imports nothing."""
