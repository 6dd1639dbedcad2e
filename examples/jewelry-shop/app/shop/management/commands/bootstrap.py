"""An admin exists or is created."""

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand

from shop.models import User


class Command(BaseCommand):
    """manage.py bootstrap"""

    help = "Make the admin from ADMIN_USER and ADMIN_PASSWORD, if there is none."

    def handle(self, *args, **options):
        """Safe to repeat."""
        found, made = User.objects.get_or_create(
            name=settings.ADMIN_USER, defaults={"password": make_password(settings.ADMIN_PASSWORD), "role": "admin"}
        )
        self.stdout.write(f"admin {found.name} {'made' if made else 'is there'}")
