"""Items that are looked up without an index."""

import time


class Slow:
    """Middleware that takes its time."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        """Answer late."""
        if request.path.startswith("/api/items/"):
            time.sleep(0.6)
        return self.get_response(request)
