"""What a user writes: App, Session, framers. Import from `prefork`; this file imports nothing."""
