"""The HTTP server: a picture in, a brighter picture out."""
