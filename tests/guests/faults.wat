;; One module for the faults that a guest can have while it serves. Its configuration is two letters, fault and phase:
;;   t a trap, l an endless loop, g memory without end, r recursion without end;
;;   c configure, k tick, n context_create, h b x the request's headers, body and trailers, H B X the response's, d done, o log, e delete.
;; From the request's headers on, the fault happens only in requests that carry `x-fail`.
(module
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer_bytes (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get_header_map_value (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $set_tick_period (param i32) (result i32)))

  (memory (export "memory") 2)
  (data (i32.const 16) "x-fail")
  (global $fault (mut i32) (i32.const 0))
  (global $phase (mut i32) (i32.const 0))
  (global $armed (mut i32) (i32.const 0))

  (func (export "proxy_abi_version_0_2_1"))

  ;; Whatever the host wants to hand over goes to one place: nothing is kept across calls.
  (func (export "proxy_on_memory_allocate") (param i32) (result i32)
    (i32.const 4096))

  (func $fall_over
    unreachable)

  (func $loop_forever
    (loop $again (br $again)))

  ;; Takes page after page, writes to each, and falls over when there are no more.
  (func $grow_forever (local $page i32)
    (loop $again
      (local.set $page (memory.grow (i32.const 1)))
      (if (i32.eq (local.get $page) (i32.const -1)) (then (call $fall_over)))
      (i32.store8 (i32.mul (local.get $page) (i32.const 65536)) (i32.const 1))
      (br $again)))

  (func $recurse_forever (param $depth i32) (result i32)
    (i32.add (i32.const 1) (call $recurse_forever (i32.add (local.get $depth) (i32.const 1)))))

  (func $fail
    (if (i32.eq (global.get $fault) (i32.const 116 (; t ;))) (then (call $fall_over)))
    (if (i32.eq (global.get $fault) (i32.const 108 (; l ;))) (then (call $loop_forever)))
    (if (i32.eq (global.get $fault) (i32.const 103 (; g ;))) (then (call $grow_forever)))
    (if (i32.eq (global.get $fault) (i32.const 114 (; r ;))) (then (drop (call $recurse_forever (i32.const 0))))))

  ;; Fails when the phase is the configured one.
  (func $reach (param $phase i32)
    (if (i32.eq (global.get $phase) (local.get $phase)) (then (call $fail))))

  ;; The same, in a request that asked for it.
  (func $reach_armed (param $phase i32)
    (if (global.get $armed) (then (call $reach (local.get $phase)))))

  (func (export "proxy_on_configure") (param $context i32) (param $size i32) (result i32)
    (drop (call $get_buffer_bytes (i32.const 7) (i32.const 0) (i32.const 2) (i32.const 0) (i32.const 4)))
    (global.set $fault (i32.load8_u (i32.load (i32.const 0))))
    (global.set $phase (i32.load8_u offset=1 (i32.load (i32.const 0))))
    (if (i32.eq (global.get $phase) (i32.const 107 (; k ;))) (then (drop (call $set_tick_period (i32.const 20)))))
    (call $reach (i32.const 99 (; c ;)))
    (i32.const 1))

  (func (export "proxy_on_tick") (param $context i32)
    (call $reach (i32.const 107 (; k ;))))

  (func (export "proxy_on_context_create") (param $context i32) (param $parent i32)
    (if (local.get $parent) (then (call $reach (i32.const 110 (; n ;))))))

  (func (export "proxy_on_request_headers") (param $context i32) (param $count i32) (param $last i32) (result i32)
    (global.set $armed (i32.eqz (call $get_header_map_value (i32.const 0) (i32.const 16) (i32.const 6) (i32.const 0) (i32.const 4))))
    (call $reach_armed (i32.const 104 (; h ;)))
    (i32.const 0))

  (func (export "proxy_on_request_body") (param $context i32) (param $size i32) (param $last i32) (result i32)
    (call $reach_armed (i32.const 98 (; b ;)))
    (i32.const 0))

  (func (export "proxy_on_request_trailers") (param $context i32) (param $count i32) (result i32)
    (call $reach_armed (i32.const 120 (; x ;)))
    (i32.const 0))

  (func (export "proxy_on_response_headers") (param $context i32) (param $count i32) (param $last i32) (result i32)
    (call $reach_armed (i32.const 72 (; H ;)))
    (i32.const 0))

  (func (export "proxy_on_response_body") (param $context i32) (param $size i32) (param $last i32) (result i32)
    (call $reach_armed (i32.const 66 (; B ;)))
    (i32.const 0))

  (func (export "proxy_on_response_trailers") (param $context i32) (param $count i32) (result i32)
    (call $reach_armed (i32.const 88 (; X ;)))
    (i32.const 0))

  (func (export "proxy_on_done") (param $context i32) (result i32)
    (call $reach_armed (i32.const 100 (; d ;)))
    (i32.const 1))

  (func (export "proxy_on_log") (param $context i32)
    (call $reach_armed (i32.const 111 (; o ;))))

  (func (export "proxy_on_delete") (param $context i32)
    (call $reach_armed (i32.const 101 (; e ;)))))
