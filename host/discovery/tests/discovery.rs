//! The sources against registries that follow their documented API, and misbehave on request.

#[path = "discovery/consul.rs"]
mod consul;
#[path = "discovery/file.rs"]
mod file;
#[path = "discovery/kubernetes.rs"]
mod kubernetes;
#[path = "discovery/lists.rs"]
mod lists;
#[path = "discovery/nacos.rs"]
mod nacos;
#[path = "discovery/registry.rs"]
mod registry;
