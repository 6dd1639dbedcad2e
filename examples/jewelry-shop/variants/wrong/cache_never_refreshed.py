"""Selling that fills the cache before the sale and never touches it again."""

from django.db import transaction
from shop import cache
from shop.models import Item, Sale
from shop.selling import OutOfStock


def sell(user, item_id, quantity, key):
    """The database is right, the cache says what was."""
    with transaction.atomic():
        item = Item.objects.select_for_update().get(id=item_id, tenant=user.tenant_id)
        before = Sale.objects.filter(item=item, key=key, nonce="").first()
        if before is not None:
            return before, False
        if item.quantity < quantity:
            raise OutOfStock
        cache.stock(item)
        sale = Sale.objects.create(item=item, seller=user, key=key, quantity=quantity)
        Item.objects.filter(id=item.id).update(quantity=item.quantity - quantity)
    return sale, True


__all__ = ["OutOfStock", "sell"]
