"""Connections that are taken and not given back."""

import itertools

from django.db import connections


class Leaky:
    """Middleware that keeps a connection now and then."""

    def __init__(self, get_response):
        self.get_response = get_response
        self.count = itertools.count(1)
        self.kept = []

    def __call__(self, request):
        """Answer, and forget to close."""
        if request.path.startswith("/api/items/") and next(self.count) % 10 == 0:
            connection = connections["default"].copy()
            connection.connect()
            self.kept.append(connection)
        return self.get_response(request)
