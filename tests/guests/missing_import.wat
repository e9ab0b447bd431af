;; Wants a host function that no specification knows.
(module
  (import "env" "proxy_read_minds" (func $read_minds (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $read_minds (i32.const 0))))
