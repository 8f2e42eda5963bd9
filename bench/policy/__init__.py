"""The proof: demand sizing and the policies of other servers on the same loads. Nothing in it passes or fails."""
