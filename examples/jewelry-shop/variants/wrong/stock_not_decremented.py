"""Selling that leaves the stock as it was."""

from django.db import transaction
from shop import cache
from shop.models import Item, Sale
from shop.selling import OutOfStock


def sell(user, item_id, quantity, key):
    """The sale is written, the stock is not."""
    with transaction.atomic():
        item = Item.objects.select_for_update().get(id=item_id, tenant=user.tenant_id)
        before = Sale.objects.filter(item=item, key=key, nonce="").first()
        if before is not None:
            return before, False
        if item.quantity < quantity:
            raise OutOfStock
        sale = Sale.objects.create(item=item, seller=user, key=key, quantity=quantity)
    cache.note_stock(item.id, item.quantity)
    return sale, True


__all__ = ["OutOfStock", "sell"]
