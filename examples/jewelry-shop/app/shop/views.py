"""The API."""

import redis
from config.celery import app as celery_app
from config.celery import sender
from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.db.models import Sum
from django.http import JsonResponse
from kombu.exceptions import OperationalError

from shop import cache, tasks
from shop.models import Item, Sale, Tenant, User
from shop.readiness import unapplied
from shop.web import Refused, api, part, token_for


def no_such_path(request, exception):
    """JSON, like everything else."""
    return JsonResponse({"error": "no such path"}, status=404)


@api("GET", "HEAD", public=True)
def livez(request, user, data):
    """The process serves; says nothing of anybody else."""
    return 200, {"alive": True}


@api("GET", "HEAD", public=True)
def readyz(request, user, data):
    """Every dependency by name."""
    found = part("readiness").check()
    return (200 if all(v == "ok" for v in found.values()) else 503), found


@api("GET", public=True)
def schema(request, user, data):
    """Whether the database is what the code expects."""
    return 200, {"unapplied": unapplied()}


@api("POST", public=True)
def login(request, user, data):
    """A token for a name and password."""
    found = User.objects.filter(name=data["user"]).first()
    if found is None or not check_password(data["password"], found.password):
        raise Refused(401, "wrong name or password")
    return 200, {"token": token_for(found)}


@api("GET")
def me(request, user, data):
    """Who am I."""
    return 200, {"user": user.name, "role": user.role, "tenant": user.tenant_id}


@api("POST")
def tenants(request, user, data):
    """A new tenant."""
    if user.role != "admin":
        raise Refused(403, "only an admin makes tenants")
    made = Tenant.objects.create(name=data["name"])
    return 201, {"id": made.id, "name": made.name}


@api("GET")
def tenant(request, user, data, tenant_id):
    """A tenant; one that is not theirs does not exist for anybody else."""
    found = Tenant.objects.filter(id=tenant_id).first()
    if found is None or not part("access").may_see_tenant(user, found):
        raise Refused(404, "no such tenant")
    return 200, {"id": found.id, "name": found.name}


@api("POST")
def users(request, user, data, tenant_id):
    """A new user of a tenant."""
    if not part("access").may_manage(user, tenant_id):
        raise Refused(403, "only an admin or the tenant's owner makes users")
    if data["role"] not in ("owner", "seller", "viewer"):
        raise Refused(400, "roles: owner, seller, viewer")
    if User.objects.filter(name=data["user"]).exists():
        raise Refused(409, "that name is taken")
    made = User.objects.create(
        name=data["user"], password=make_password(data["password"]), role=data["role"], tenant_id=tenant_id
    )
    return 201, {"id": made.id, "user": made.name, "role": made.role}


def _shown(item) -> dict:
    return {
        "id": item.id,
        "sku": item.sku,
        "name": item.name,
        "quantity": item.quantity,
        "price_cents": item.price_cents,
    }


@api("GET", "POST")
def items(request, user, data):
    """The tenant's items, or a new one."""
    if request.method == "GET":
        return 200, {"items": [_shown(i) for i in Item.objects.filter(tenant=user.tenant_id)[:1000]]}
    if user.role != "owner":
        raise Refused(403, "only the owner makes items")
    quantity = int(data["quantity"])
    made = Item.objects.create(
        tenant_id=user.tenant_id,
        sku=data["sku"],
        name=data["name"],
        price_cents=data["price_cents"],
        initial=quantity,
        quantity=quantity,
    )
    return 201, _shown(made)


def _item(user, item_id):
    found = Item.objects.filter(id=item_id, tenant=user.tenant_id).first()
    if found is None:
        raise Refused(404, "no such item")
    return found


@api("GET")
def item(request, user, data, item_id):
    """One item."""
    return 200, _shown(_item(user, item_id))


@api("POST")
def sales(request, user, data):
    """A sale; 201 when it was made, 200 when the key was sold before."""
    if not part("access").may_sell(user):
        raise Refused(403, "this role may not sell")
    selling = part("selling")
    quantity, key = int(data["quantity"]), str(data["key"])
    if quantity < 1 or not 1 <= len(key) <= 100:
        raise Refused(400, "quantity: at least 1; key: 1 to 100 characters")
    try:
        sale, made = selling.sell(user, int(data["item"]), quantity, key)
    except Item.DoesNotExist:
        raise Refused(404, "no such item") from None
    except selling.OutOfStock:
        raise Refused(409, "out of stock") from None
    return (201 if made else 200), {"id": sale.id, "key": sale.key, "quantity": sale.quantity}


@api("GET")
def sale_keys(request, user, data):
    """All keys of an item's sales; one that was sold twice is there twice."""
    chosen = Sale.objects.filter(item_id=int(request.GET["item"]), item__tenant=user.tenant_id)
    prefix = request.GET.get("prefix")
    if prefix:
        chosen = chosen.filter(key__startswith=prefix)
    return 200, {"keys": list(chosen.values_list("key", flat=True))}


@api("GET")
def books(request, user, data):
    """What database and cache say of an item."""
    found = _item(user, int(request.GET["item"]))
    sold = Sale.objects.filter(item=found).aggregate(sum=Sum("quantity"))["sum"] or 0
    return 200, {"initial": found.initial, "sold": sold, "quantity": found.quantity, "cached": cache.stock(found)}


@api("GET", "POST")
def marks(request, user, data):
    """Something that lives in Redis alone; acknowledged when a replica has it."""
    if request.method == "GET":
        prefix = request.GET.get("prefix", "")
        return 200, {"keys": [k for k in cache.ask(lambda r: r.smembers("marks")) if k.startswith(prefix)]}
    key = str(data["key"])

    def write(client: redis.Redis) -> int:
        with client.pipeline(transaction=False) as pipe:
            pipe.sadd("marks", key)
            if settings.REDIS_WAIT:
                pipe.execute_command("WAIT", settings.REDIS_WAIT, 200)
            answers = pipe.execute()
        return answers[-1] if settings.REDIS_WAIT else 1

    if cache.ask(write) < settings.REDIS_WAIT:
        raise Refused(503, "written, and on no replica yet")
    return 201, {"key": key}


@api("POST")
def ping_task(request, user, data):
    """Send a task."""
    try:
        sent = sender.send_task(tasks.ping.name, args=[str(data["text"])])
    except (OperationalError, redis.RedisError, OSError) as error:
        raise Refused(503, f"broker: {type(error).__name__}: {error}") from None
    return 202, {"id": sent.id}


@api("GET")
def task(request, user, data, task_id):
    """What became of a task; read with the shop's own client, which does not wait for a Redis that is gone."""
    results = celery_app.backend
    stored = cache.ask(lambda r: r.get(results.get_key_for_task(task_id).decode()))
    found = results.decode_result(stored) if stored else {"status": "PENDING"}
    done = found["status"] == "SUCCESS"
    return 200, {"id": task_id, "state": found["status"], "result": found["result"] if done else None}
