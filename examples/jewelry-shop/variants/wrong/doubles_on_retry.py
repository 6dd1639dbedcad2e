"""Selling that takes the same key again for a new sale."""

import secrets

from django.db import transaction
from shop import cache
from shop.models import Item, Sale
from shop.selling import OutOfStock


def sell(user, item_id, quantity, key):
    """Every request is a sale."""
    with transaction.atomic():
        item = Item.objects.select_for_update().get(id=item_id, tenant=user.tenant_id)
        if item.quantity < quantity:
            raise OutOfStock
        sale = Sale.objects.create(item=item, seller=user, key=key, nonce=secrets.token_hex(8), quantity=quantity)
        left = item.quantity - quantity
        Item.objects.filter(id=item.id).update(quantity=left)
    cache.note_stock(item.id, left)
    return sale, True


__all__ = ["OutOfStock", "sell"]
