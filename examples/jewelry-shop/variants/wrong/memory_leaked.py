"""Answers that are remembered for ever."""


class Leaky:
    """Middleware that keeps a piece of memory for each item that was looked at."""

    def __init__(self, get_response):
        self.get_response = get_response
        self.kept = []

    def __call__(self, request):
        """Answer, and keep 64 KiB that are really there."""
        if request.path.startswith("/api/items/"):
            self.kept.append(bytearray(b"x" * 65536))
        return self.get_response(request)
