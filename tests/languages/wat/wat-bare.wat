;; Nothing but a memory, its edition and an allocator, without which Envoy does not load it (Lockgate does): no callback.
(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) unreachable))
