"""The pure policy: decide(config, view, memory) -> Plan. Import from the modules; this file imports nothing."""
