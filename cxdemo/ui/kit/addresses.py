"""Addresses of what the page shows: `?tab=loss-lab&section=rivals`, `?tour=3&lang=zh`.

The browser reads and writes them, see `js/addresses.js`; Back and Forward work. This module has the
script, and `link`, which spells an address.
"""

from __future__ import annotations

from urllib.parse import urlencode

from cxdemo.ui.kit.page_script import read_script


def address_script() -> str:
    """What keeps the address up to date, for the head of the page."""
    return read_script("addresses")


def link(**parts: str | int) -> str:
    """The address of a place in the app.

    Example:
        >>> link(tab="loss-lab", section="rivals")
        '?tab=loss-lab&section=rivals'
    """
    return f"?{urlencode(parts)}"
