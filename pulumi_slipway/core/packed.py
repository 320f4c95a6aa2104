"""Text made small for an object of Kubernetes, and read back within a bound: a few bytes can stand for gigabytes."""

import base64
import gzip
import zlib


def pack(text: str) -> str:
    """gzip in base64; the same text gives the same."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def unpack(packed: str, most: int) -> str:
    """The text; raises ValueError where it is damaged, or longer than `most` bytes."""
    reader = zlib.decompressobj(wbits=31)  # with gzip's header
    try:
        found = reader.decompress(base64.b64decode(packed, validate=True), most)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not reader.eof:
        raise ValueError(f"is cut off, or longer than {most} bytes")
    return found.decode()
