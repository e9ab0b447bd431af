;; A start function. A digit is added by each that is called: 1 the start function, 2 `_initialize`, 3 `main`, 4 `_start`.
(module
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "x-c-told")
  (global $seen (mut i32) (i32.const 0))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32) (i32.const 4096))
  (start $begin)
  (func $begin (global.set $seen (i32.add (i32.mul (global.get $seen) (i32.const 10)) (i32.const 1))))
  (func (export "proxy_on_context_create") (param $context i32) (param $parent i32))
  ;; Adds `x-c-told: NN` to the response.
  (func $tell (param $number i32)
    (i32.store8 (i32.const 32) (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get $number) (i32.const 10)) (i32.const 10))))
    (i32.store8 (i32.const 33) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
    (drop (call $add (i32.const 2) (i32.const 16) (i32.const 8) (i32.const 32) (i32.const 2))))
  (func (export "proxy_on_response_headers") (param $context i32) (param $count i32) (param $last i32) (result i32)
    (call $tell (global.get $seen))
    (i32.const 0)))
