//! Lines of text out of any reader.
