;; Its allocator answers an address that lies outside of its memory: the host wants to write a result there.
(module
  (import "env" "proxy_get_header_map_value" (func $get_header_map_value (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) ":path")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0xfffffff0))
  (func (export "proxy_on_context_create") (param i32 i32))
  ;; A status that is not OK is what it waits for; with OK it would have been lied to.
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (i32.eqz (call $get_header_map_value (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 4))) (then unreachable))
    (i32.const 0)))
