//! Lines of text out of any reader: of a channel, of messages, of a spool.
