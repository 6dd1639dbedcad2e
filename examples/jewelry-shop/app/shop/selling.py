"""A sale: one transaction, and the same one again for the same key."""

from django.db import transaction

from shop import cache
from shop.models import Item, Sale


class OutOfStock(Exception):
    """There is not enough left."""


def sell(user, item_id, quantity: int, key: str):
    """(sale, made): made is False when the key was sold before. Raises OutOfStock, Item.DoesNotExist."""
    with transaction.atomic():
        item = Item.objects.select_for_update().get(id=item_id, tenant=user.tenant_id)
        before = Sale.objects.filter(item=item, key=key, nonce="").first()
        if before is not None:
            return before, False
        if item.quantity < quantity:
            raise OutOfStock
        sale = Sale.objects.create(item=item, seller=user, key=key, quantity=quantity)
        left = item.quantity - quantity
        Item.objects.filter(id=item.id).update(quantity=left)
    cache.note_stock(item.id, left)
    return sale, True
