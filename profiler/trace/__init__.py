"""The native trace (MCAP, JSON payloads): writer, reader, replay."""
