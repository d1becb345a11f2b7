"""Safe decoding of pictures: limits, EXIF turn, data: URIs."""

from nunbit.media.images import ALLOWED, Limits, content_hash, decode

__all__ = ["ALLOWED", "Limits", "content_hash", "decode"]
