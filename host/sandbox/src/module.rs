//! stub
use lockgate_abi::AbiVersion;
use crate::inspect::Hooks;
/// A compiled module. Clone.
#[derive(Clone)]
pub struct Module;
impl Module {
    /// Hex of the sha256 of the `.wasm` bytes.
    pub fn sha256(&self) -> &str { unimplemented!() }
    /// Bytes of the `.wasm` file.
    pub fn size(&self) -> u64 { unimplemented!() }
    /// ABI edition.
    pub fn abi(&self) -> AbiVersion { unimplemented!() }
    /// Which callbacks are exported.
    pub fn hooks(&self) -> Hooks { unimplemented!() }
}
