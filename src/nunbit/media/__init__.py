"""Safe decoding of pictures: limits, EXIF turn, data: URIs, and what a request may name."""

from nunbit.media.fetch import FetchPolicy
from nunbit.media.images import content_hash, decode, letterbox
from nunbit.media.limits import ALLOWED, Limits
from nunbit.media.sources import kind_of, sources_in

__all__ = ["ALLOWED", "FetchPolicy", "Limits", "content_hash", "decode", "kind_of", "letterbox", "sources_in"]
