"""What prefork costs and how fast it is, beside its peers: `make bench`. Nothing in it passes or fails."""
