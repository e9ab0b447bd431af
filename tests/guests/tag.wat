;; Sets `x-tag` on each response. The harness writes other values into the text: what reloads are watched by.
(module
  (import "env" "proxy_replace_header_map_value" (func $replace_header_map_value (param i32 i32 i32 i32 i32) (result i32)))

  (memory (export "memory") 1)
  (data (i32.const 16) "x-tag")
  (data (i32.const 32) "untagged")

  (func (export "proxy_abi_version_0_2_1"))

  (func (export "proxy_on_memory_allocate") (param i32) (result i32)
    (i32.const 4096))

  (func (export "proxy_on_context_create") (param $context i32) (param $parent i32))

  (func (export "proxy_on_response_headers") (param $context i32) (param $count i32) (param $last i32) (result i32)
    (drop (call $replace_header_map_value (i32.const 2) (i32.const 16) (i32.const 5) (i32.const 32) (i32.const (;length;) 8)))
    (i32.const 0)))
