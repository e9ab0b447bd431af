;; Falls over before it has begun.
(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func $stumble unreachable)
  (func (export "_initialize") (call $stumble)))
