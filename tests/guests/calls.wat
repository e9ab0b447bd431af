;; Counts the requests that this instance has seen and tells the count, one letter from A on, in `x-calls`: whether streams share
;; an instance can be seen from outside.
(module
  (import "env" "proxy_replace_header_map_value" (func $replace_header_map_value (param i32 i32 i32 i32 i32) (result i32)))

  (memory (export "memory") 1)
  (data (i32.const 16) "x-calls")
  (data (i32.const 32) "@")

  (func (export "proxy_abi_version_0_2_1"))

  (func (export "proxy_on_memory_allocate") (param i32) (result i32)
    (i32.const 4096))

  (func (export "proxy_on_context_create") (param $context i32) (param $parent i32))

  (func (export "proxy_on_response_headers") (param $context i32) (param $count i32) (param $last i32) (result i32)
    (i32.store8 (i32.const 32) (i32.add (i32.load8_u (i32.const 32)) (i32.const 1)))
    (drop (call $replace_header_map_value (i32.const 2) (i32.const 16) (i32.const 7) (i32.const 32) (i32.const 1)))
    (i32.const 0)))
