"""Who may do what."""


def may_see_tenant(user, tenant) -> bool:
    """An admin sees every tenant, everybody else their own."""
    return user.role == "admin" or user.tenant_id == tenant.id


def may_sell(user) -> bool:
    """Owners and sellers."""
    return user.role in ("owner", "seller")


def may_manage(user, tenant_id) -> bool:
    """Admins, and owners their own tenant."""
    return user.role == "admin" or (user.role == "owner" and user.tenant_id == tenant_id)
