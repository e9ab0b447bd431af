//! stub
use std::path::PathBuf;
use crate::failure::{EngineError, LoadError};
use crate::module::Module;
/// How an engine is set up.
#[derive(Clone, Debug, Default)]
pub struct EngineSettings {
    /// Where compiled modules are kept; `None` keeps nothing.
    pub cache_dir: Option<PathBuf>,
}
/// Compiles modules. Clone, Send, Sync.
#[derive(Clone)]
pub struct Engine;
impl Engine {
    /// stub
    pub fn new(_settings: EngineSettings) -> Result<Engine, EngineError> { unimplemented!() }
    /// stub; blocking
    pub fn compile(&self, _bytes: &[u8]) -> Result<Module, LoadError> { unimplemented!() }
}
