;; What compilers use today: SIMD, bulk memory, several results, references, sign extension, saturating casts.
(module
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "x-c-told")
  (table 1 funcref)
  (func $pair (result i32 i32) (i32.const 4) (i32.const 2))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_context_create") (param $context i32) (param $parent i32))
  ;; Adds `x-c-told: NN` to the response.
  (func $tell (param $number i32)
    (i32.store8 (i32.const 32) (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get $number) (i32.const 10)) (i32.const 10))))
    (i32.store8 (i32.const 33) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
    (drop (call $add (i32.const 2) (i32.const 16) (i32.const 8) (i32.const 32) (i32.const 2))))
  (func (export "proxy_on_response_headers") (param $context i32) (param $count i32) (param $last i32) (result i32)
    (local $bytes v128)
    (memory.fill (i32.const 200) (i32.const 3) (i32.const 16))
    (memory.copy (i32.const 300) (i32.const 200) (i32.const 16))
    (local.set $bytes (i8x16.add (v128.load (i32.const 300)) (v128.load (i32.const 200))))
    (table.set (i32.const 0) (ref.null func))
    ;; 6, 6, 1 and 1: 14
    (call $pair)
    i32.add
    (i32.add (i8x16.extract_lane_s 5 (local.get $bytes)))
    (i32.add (ref.is_null (table.get (i32.const 0))))
    (i32.sub (i32.extend8_s (i32.const 255)))
    (i32.add (i32.trunc_sat_f32_s (f32.const nan)))
    call $tell
    (i32.const 0)))
