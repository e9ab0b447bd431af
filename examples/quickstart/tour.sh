# The requests of this example, in the order in which they tell its story. Sourced by `run`, which defines
# `step TITLE EXPECTED COMMAND`, $url and $admin.
# shellcheck shell=bash

alice="-H 'X-Api-Key: demo-alice'"
bob="-H 'X-Api-Key: demo-bob'"

step 'auth: without a key there is no way in' \
  '^HTTP/1.1 401' \
  "curl -si $url/orders"

step 'auth: with one there is, and the upstream is told who came' \
  '^HTTP/1.1 200.*"x-consumer-name": "alice"' \
  "curl -si $alice $url/orders"

step 'acl: bob has a key, but is not in the group that may see reports' \
  '^HTTP/1.1 403' \
  "curl -si $bob $url/reports"

step 'acl: alice is' \
  '^HTTP/1.1 200' \
  "curl -si $alice $url/reports"

step 'quota: five a minute on this route, then 429 with Retry-After' \
  '^200 200 200 200 200 429 429 429' \
  "for n in {1..8}; do curl -so /dev/null -w '%{http_code} ' $alice $url/limited; done; echo"

step 'canary: of many users, a fifth gets v2' \
  'v1.*v2' \
  "for n in {1..50}; do curl -s $alice -H \"X-User: user-\$n\" $url/orders | grep '\"server\"'; done | sort | uniq -c"

step 'canary: and each always gets the same one' \
  '^ *10 ' \
  "for n in {1..10}; do curl -s $alice -H 'X-User: user-7' $url/orders | grep '\"server\"'; done | sort | uniq -c"

step 'cache: an answer that may be kept comes from the gateway the second time' \
  'cache-status: .*hit' \
  "for n in 1 2; do curl -si $alice '$url/catalogue?cache=60' | grep -iE '^(cache-status|age):'; done"

step 'headers: every answer says which gateway it came through' \
  'x-gateway: quickstart' \
  "curl -sI $alice $url/orders | grep -i x-gateway"

step 'what is loaded, and how it fares' \
  '"auth"' \
  "curl -s http://127.0.0.1:$admin/api/plugins"
