"""Reads a dashboard from standard input by Grafana's own model, and prints what the model makes of it.

What the model doesn't know, it leaves out; what isn't of the kind that it wants, it can't read.
"""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

register_default_plugins()
print(JSONEncoder().encode(Dashboard.from_json(json.load(sys.stdin))))
