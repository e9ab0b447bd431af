# The requests of this example, in order. Sourced by `run`, which defines
# `step TITLE EXPECTED COMMAND`, $url and $admin.
# shellcheck shell=bash

alice="-H 'X-Api-Key: demo-alice'"
bob="-H 'X-Api-Key: demo-bob'"

step 'a route for everyone: 200 without a key' \
  '^HTTP/1.1 200' \
  "curl -si $url/public"

step 'auth: without a key, 401' \
  '^HTTP/1.1 401' \
  "curl -si $url/orders"

step 'auth: with a key, 200; the upstream gets the consumer' \
  '^HTTP/1.1 200.*"x-consumer-name": "alice"' \
  "curl -si $alice $url/orders"

step 'acl: bob has a key, but his group has no access to reports' \
  '^HTTP/1.1 403' \
  "curl -si $bob $url/reports"

step 'acl: the group of alice has' \
  '^HTTP/1.1 200' \
  "curl -si $alice $url/reports"

step 'quota: five requests per minute on this route, then 429 with Retry-After' \
  '^200 200 200 200 200 429 429 429' \
  "for n in {1..8}; do curl -so /dev/null -w '%{http_code} ' $alice $url/limited; done; echo"

step 'canary: 20% of the users get v2' \
  'v1.*v2' \
  "for n in {1..50}; do curl -s $alice -H \"X-User: user-\$n\" $url/orders | grep '\"server\"'; done | sort | uniq -c"

step 'canary: a user always gets the same version' \
  '^ *10 ' \
  "for n in {1..10}; do curl -s $alice -H 'X-User: user-7' $url/orders | grep '\"server\"'; done | sort | uniq -c"

step 'cache: the second response comes from the store' \
  'cache-status: .*hit' \
  "for n in 1 2; do curl -si $alice '$url/catalogue?cache=60' | grep -iE '^(cache-status|age):'; done"

step 'headers: every response has a header of the gateway' \
  'x-gateway: quickstart' \
  "curl -sI $alice $url/orders | grep -i x-gateway"

step 'admin API: the loaded plugins and their state' \
  '"auth"' \
  "curl -s http://127.0.0.1:$admin/api/plugins"
