"""Safe decoding of pictures: limits, EXIF turn, data: URIs, and what a request may name."""

from nunbit.media.fetch import FetchPolicy
from nunbit.media.images import ALLOWED, Limits, content_hash, decode, kind_of, letterbox, sources_in

__all__ = ["ALLOWED", "FetchPolicy", "Limits", "content_hash", "decode", "kind_of", "letterbox", "sources_in"]
