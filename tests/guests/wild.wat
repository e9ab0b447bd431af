;; Calls every host function that takes a pointer with pointers that lie outside of its memory, or wrap around. Each must be refused by
;; a status; then the guest answers with `x-wild: refused`, because a refused local response does not let the request pass. The first
;; that is accepted is a trap in the function of its name.
(module
  (import "env" "proxy_log" (func $proxy_log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_log_level" (func $proxy_get_log_level (param i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $proxy_get_current_time_nanoseconds (param i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $proxy_get_buffer_bytes (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_status" (func $proxy_get_buffer_status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $proxy_set_buffer_bytes (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_size" (func $proxy_get_header_map_size (param i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_pairs" (func $proxy_get_header_map_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_header_map_pairs" (func $proxy_set_header_map_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $proxy_get_header_map_value (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $proxy_add_header_map_value (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $proxy_replace_header_map_value (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $proxy_remove_header_map_value (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_status" (func $proxy_get_status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $proxy_send_local_response (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call" (func $proxy_http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_call" (func $proxy_grpc_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_stream" (func $proxy_grpc_stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_send" (func $proxy_grpc_send (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $proxy_set_shared_data (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $proxy_get_shared_data (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $proxy_register_shared_queue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_resolve_shared_queue" (func $proxy_resolve_shared_queue (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_enqueue_shared_queue" (func $proxy_enqueue_shared_queue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_dequeue_shared_queue" (func $proxy_dequeue_shared_queue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_define_metric" (func $proxy_define_metric (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_metric" (func $proxy_get_metric (param i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $proxy_get_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $proxy_set_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_call_foreign_function" (func $proxy_call_foreign_function (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))

  (memory (export "memory") 1)
  ;; A header map of one pair: the number of pairs, the sizes of name and value, and both, each with a zero byte behind it.
  (data (i32.const 16) "\01\00\00\00\06\00\00\00\07\00\00\00x-wild\00refused\00")

  (func (export "proxy_abi_version_0_2_1"))

  (func (export "proxy_on_memory_allocate") (param i32) (result i32)
    (i32.const 4096))

  (func (export "proxy_on_context_create") (param i32 i32))

  (func $wild_log
    (if (i32.eqz (call $proxy_log (i32.const 2) (i32.const 0xfffffff0) (i32.const 0x100))) (then unreachable))
    (if (i32.eqz (call $proxy_log (i32.const 2) (i32.const 65530) (i32.const 100))) (then unreachable))
    (if (i32.eqz (call $proxy_log (i32.const 2) (i32.const 16) (i32.const 0xffffffff))) (then unreachable)))

  (func $wild_get_log_level
    (if (i32.eqz (call $proxy_get_log_level (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_get_log_level (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_get_log_level (i32.const 65536))) (then unreachable)))

  (func $wild_get_current_time_nanoseconds
    (if (i32.eqz (call $proxy_get_current_time_nanoseconds (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_get_current_time_nanoseconds (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_get_current_time_nanoseconds (i32.const 65536))) (then unreachable)))

  (func $wild_get_buffer_bytes
    (if (i32.eqz (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 1) (i32.const 1) (i32.const 0xfffffffe) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 1) (i32.const 1) (i32.const 65534) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 1) (i32.const 1) (i32.const 65536) (i32.const 65536))) (then unreachable)))

  (func $wild_get_buffer_status
    (if (i32.eqz (call $proxy_get_buffer_status (i32.const 0) (i32.const 0xfffffffe) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_get_buffer_status (i32.const 0) (i32.const 65534) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_get_buffer_status (i32.const 0) (i32.const 65536) (i32.const 65536))) (then unreachable)))

  (func $wild_set_buffer_bytes
    (if (i32.eqz (call $proxy_set_buffer_bytes (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 0xfffffff0) (i32.const 0x100))) (then unreachable))
    (if (i32.eqz (call $proxy_set_buffer_bytes (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 65530) (i32.const 100))) (then unreachable))
    (if (i32.eqz (call $proxy_set_buffer_bytes (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 16) (i32.const 0xffffffff))) (then unreachable)))

  (func $wild_get_header_map_size
    (if (i32.eqz (call $proxy_get_header_map_size (i32.const 0) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_get_header_map_size (i32.const 0) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_get_header_map_size (i32.const 0) (i32.const 65536))) (then unreachable)))

  (func $wild_get_header_map_pairs
    (if (i32.eqz (call $proxy_get_header_map_pairs (i32.const 0) (i32.const 0xfffffffe) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_get_header_map_pairs (i32.const 0) (i32.const 65534) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_get_header_map_pairs (i32.const 0) (i32.const 65536) (i32.const 65536))) (then unreachable)))

  (func $wild_set_header_map_pairs
    (if (i32.eqz (call $proxy_set_header_map_pairs (i32.const 0) (i32.const 0xfffffff0) (i32.const 0x100))) (then unreachable))
    (if (i32.eqz (call $proxy_set_header_map_pairs (i32.const 0) (i32.const 65530) (i32.const 100))) (then unreachable))
    (if (i32.eqz (call $proxy_set_header_map_pairs (i32.const 0) (i32.const 16) (i32.const 0xffffffff))) (then unreachable)))

  (func $wild_get_header_map_value
    (if (i32.eqz (call $proxy_get_header_map_value (i32.const 0) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffffe) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_get_header_map_value (i32.const 0) (i32.const 65530) (i32.const 100) (i32.const 65534) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_get_header_map_value (i32.const 0) (i32.const 16) (i32.const 0xffffffff) (i32.const 65536) (i32.const 65536))) (then unreachable)))

  (func $wild_add_header_map_value
    (if (i32.eqz (call $proxy_add_header_map_value (i32.const 0) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100))) (then unreachable))
    (if (i32.eqz (call $proxy_add_header_map_value (i32.const 0) (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100))) (then unreachable))
    (if (i32.eqz (call $proxy_add_header_map_value (i32.const 0) (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff))) (then unreachable)))

  (func $wild_replace_header_map_value
    (if (i32.eqz (call $proxy_replace_header_map_value (i32.const 0) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100))) (then unreachable))
    (if (i32.eqz (call $proxy_replace_header_map_value (i32.const 0) (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100))) (then unreachable))
    (if (i32.eqz (call $proxy_replace_header_map_value (i32.const 0) (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff))) (then unreachable)))

  (func $wild_remove_header_map_value
    (if (i32.eqz (call $proxy_remove_header_map_value (i32.const 0) (i32.const 0xfffffff0) (i32.const 0x100))) (then unreachable))
    (if (i32.eqz (call $proxy_remove_header_map_value (i32.const 0) (i32.const 65530) (i32.const 100))) (then unreachable))
    (if (i32.eqz (call $proxy_remove_header_map_value (i32.const 0) (i32.const 16) (i32.const 0xffffffff))) (then unreachable)))

  (func $wild_get_status
    (if (i32.eqz (call $proxy_get_status (i32.const 0xfffffffe) (i32.const 0xfffffffe) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_get_status (i32.const 65534) (i32.const 65534) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_get_status (i32.const 65536) (i32.const 65536) (i32.const 65536))) (then unreachable)))

  (func $wild_send_local_response
    (if (i32.eqz (call $proxy_send_local_response (i32.const 1) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 1))) (then unreachable))
    (if (i32.eqz (call $proxy_send_local_response (i32.const 1) (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 1))) (then unreachable))
    (if (i32.eqz (call $proxy_send_local_response (i32.const 1) (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 1))) (then unreachable)))

  (func $wild_http_call
    (if (i32.eqz (call $proxy_http_call (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 1) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_http_call (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 1) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_http_call (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 1) (i32.const 65536))) (then unreachable)))

  (func $wild_grpc_call
    (if (i32.eqz (call $proxy_grpc_call (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 1) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_grpc_call (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 1) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_grpc_call (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 1) (i32.const 65536))) (then unreachable)))

  (func $wild_grpc_stream
    (if (i32.eqz (call $proxy_grpc_stream (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_grpc_stream (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_grpc_stream (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 65536))) (then unreachable)))

  (func $wild_grpc_send
    (if (i32.eqz (call $proxy_grpc_send (i32.const 1) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 1))) (then unreachable))
    (if (i32.eqz (call $proxy_grpc_send (i32.const 1) (i32.const 65530) (i32.const 100) (i32.const 1))) (then unreachable))
    (if (i32.eqz (call $proxy_grpc_send (i32.const 1) (i32.const 16) (i32.const 0xffffffff) (i32.const 1))) (then unreachable)))

  (func $wild_set_shared_data
    (if (i32.eqz (call $proxy_set_shared_data (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 1))) (then unreachable))
    (if (i32.eqz (call $proxy_set_shared_data (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 1))) (then unreachable))
    (if (i32.eqz (call $proxy_set_shared_data (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 1))) (then unreachable)))

  (func $wild_get_shared_data
    (if (i32.eqz (call $proxy_get_shared_data (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffffe) (i32.const 0xfffffffe) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_get_shared_data (i32.const 65530) (i32.const 100) (i32.const 65534) (i32.const 65534) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_get_shared_data (i32.const 16) (i32.const 0xffffffff) (i32.const 65536) (i32.const 65536) (i32.const 65536))) (then unreachable)))

  (func $wild_register_shared_queue
    (if (i32.eqz (call $proxy_register_shared_queue (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_register_shared_queue (i32.const 65530) (i32.const 100) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_register_shared_queue (i32.const 16) (i32.const 0xffffffff) (i32.const 65536))) (then unreachable)))

  (func $wild_resolve_shared_queue
    (if (i32.eqz (call $proxy_resolve_shared_queue (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_resolve_shared_queue (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_resolve_shared_queue (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 65536))) (then unreachable)))

  (func $wild_enqueue_shared_queue
    (if (i32.eqz (call $proxy_enqueue_shared_queue (i32.const 1) (i32.const 0xfffffff0) (i32.const 0x100))) (then unreachable))
    (if (i32.eqz (call $proxy_enqueue_shared_queue (i32.const 1) (i32.const 65530) (i32.const 100))) (then unreachable))
    (if (i32.eqz (call $proxy_enqueue_shared_queue (i32.const 1) (i32.const 16) (i32.const 0xffffffff))) (then unreachable)))

  (func $wild_dequeue_shared_queue
    (if (i32.eqz (call $proxy_dequeue_shared_queue (i32.const 1) (i32.const 0xfffffffe) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_dequeue_shared_queue (i32.const 1) (i32.const 65534) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_dequeue_shared_queue (i32.const 1) (i32.const 65536) (i32.const 65536))) (then unreachable)))

  (func $wild_define_metric
    (if (i32.eqz (call $proxy_define_metric (i32.const 0) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_define_metric (i32.const 0) (i32.const 65530) (i32.const 100) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_define_metric (i32.const 0) (i32.const 16) (i32.const 0xffffffff) (i32.const 65536))) (then unreachable)))

  (func $wild_get_metric
    (if (i32.eqz (call $proxy_get_metric (i32.const 1) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_get_metric (i32.const 1) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_get_metric (i32.const 1) (i32.const 65536))) (then unreachable)))

  (func $wild_get_property
    (if (i32.eqz (call $proxy_get_property (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffffe) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_get_property (i32.const 65530) (i32.const 100) (i32.const 65534) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_get_property (i32.const 16) (i32.const 0xffffffff) (i32.const 65536) (i32.const 65536))) (then unreachable)))

  (func $wild_set_property
    (if (i32.eqz (call $proxy_set_property (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100))) (then unreachable))
    (if (i32.eqz (call $proxy_set_property (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100))) (then unreachable))
    (if (i32.eqz (call $proxy_set_property (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff))) (then unreachable)))

  (func $wild_call_foreign_function
    (if (i32.eqz (call $proxy_call_foreign_function (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffffe) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $proxy_call_foreign_function (i32.const 65530) (i32.const 100) (i32.const 65530) (i32.const 100) (i32.const 65534) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $proxy_call_foreign_function (i32.const 16) (i32.const 0xffffffff) (i32.const 16) (i32.const 0xffffffff) (i32.const 65536) (i32.const 65536))) (then unreachable)))

  (func $wild_fd_write
    (if (i32.eqz (call $fd_write (i32.const 2) (i32.const 0xfffffff0) (i32.const 0x100) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $fd_write (i32.const 2) (i32.const 65530) (i32.const 100) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $fd_write (i32.const 2) (i32.const 16) (i32.const 0xffffffff) (i32.const 65536))) (then unreachable)))

  (func $wild_clock_time_get
    (if (i32.eqz (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 65536))) (then unreachable)))

  (func $wild_random_get
    (if (i32.eqz (call $random_get (i32.const 0xfffffff0) (i32.const 0x100))) (then unreachable))
    (if (i32.eqz (call $random_get (i32.const 65530) (i32.const 100))) (then unreachable))
    (if (i32.eqz (call $random_get (i32.const 16) (i32.const 0xffffffff))) (then unreachable)))

  (func $wild_environ_sizes_get
    (if (i32.eqz (call $environ_sizes_get (i32.const 0xfffffffe) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $environ_sizes_get (i32.const 65534) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $environ_sizes_get (i32.const 65536) (i32.const 65536))) (then unreachable)))

  (func $wild_args_sizes_get
    (if (i32.eqz (call $args_sizes_get (i32.const 0xfffffffe) (i32.const 0xfffffffe))) (then unreachable))
    (if (i32.eqz (call $args_sizes_get (i32.const 65534) (i32.const 65534))) (then unreachable))
    (if (i32.eqz (call $args_sizes_get (i32.const 65536) (i32.const 65536))) (then unreachable)))

  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $wild_log)
    (call $wild_get_log_level)
    (call $wild_get_current_time_nanoseconds)
    (call $wild_get_buffer_bytes)
    (call $wild_get_buffer_status)
    (call $wild_set_buffer_bytes)
    (call $wild_get_header_map_size)
    (call $wild_get_header_map_pairs)
    (call $wild_set_header_map_pairs)
    (call $wild_get_header_map_value)
    (call $wild_add_header_map_value)
    (call $wild_replace_header_map_value)
    (call $wild_remove_header_map_value)
    (call $wild_get_status)
    (call $wild_send_local_response)
    (call $wild_http_call)
    (call $wild_grpc_call)
    (call $wild_grpc_stream)
    (call $wild_grpc_send)
    (call $wild_set_shared_data)
    (call $wild_get_shared_data)
    (call $wild_register_shared_queue)
    (call $wild_resolve_shared_queue)
    (call $wild_enqueue_shared_queue)
    (call $wild_dequeue_shared_queue)
    (call $wild_define_metric)
    (call $wild_get_metric)
    (call $wild_get_property)
    (call $wild_set_property)
    (call $wild_call_foreign_function)
    (call $wild_fd_write)
    (call $wild_clock_time_get)
    (call $wild_random_get)
    (call $wild_environ_sizes_get)
    (call $wild_args_sizes_get)
    (if (call $proxy_send_local_response (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 27) (i32.const -1))
      (then unreachable))
    (i32.const 1)))
