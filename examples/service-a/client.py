"""Calls service A once, as its clients do: client.py [URL]. It needs the package `requests`."""

import sys

import requests

url = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8080/serviceA"
response = requests.get(url, params={"param1": "value1", "param2": "value2"}, timeout=10)

print("status:", response.status_code)
print("content:", response.text)
sys.exit(0 if response.ok else 1)
