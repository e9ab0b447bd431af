//! The interface between host and guest, by name: for tests that must cover all of it.

use std::rc::Rc;

use wasmtime::{Extern, Linker, Store};

use crate::calls::CallSet;
use crate::guest::exports;
use crate::host::Host;
use crate::hostcalls;
use crate::plugin::Plugin;
use crate::report::LoadError;
use crate::state::{self, State};

/// A parameter of a host function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
}

/// A function that guests can import.
#[derive(Clone, Debug)]
pub struct HostFunction {
    /// The module that it is imported from.
    pub module: String,
    /// Its name.
    pub name: String,
    /// The types of its parameters.
    pub parameters: Vec<Parameter>,
    /// Whether it returns an `i32`.
    pub returns: bool,
}

/// Every host function that this plugin can import.
///
/// # Errors
/// [`LoadError::Host`]: linking failed, which is a fault of the host.
pub fn host_functions(plugin: &Plugin, host: &Rc<dyn Host>) -> Result<Vec<HostFunction>, LoadError> {
    let engine = plugin.spec().module.code().engine();
    let mut linker = Linker::new(engine);
    hostcalls::link(&mut linker).map_err(|error| LoadError::Host(format!("{error:#}")))?;
    let account = state::account(&plugin.settings().limits);
    let state = State::new(plugin.clone(), Rc::clone(host), CallSet::ALL, account);
    let mut store = Store::new(engine, state);
    let offered: Vec<_> = linker
        .iter(&mut store)
        .map(|(module, name, item)| (module.to_owned(), name.to_owned(), item))
        .collect();
    Ok(offered
        .into_iter()
        .filter_map(|(module, name, item)| described(module, name, &item, &store))
        .collect())
}

fn described(module: String, name: String, item: &Extern, store: &Store<State>) -> Option<HostFunction> {
    let Extern::Func(function) = item else { return None };
    let kind = function.ty(store);
    let parameter = |kind: wasmtime::ValType| if kind.is_i64() { Parameter::I64 } else { Parameter::I32 };
    Some(HostFunction {
        module,
        name,
        parameters: kind.params().map(parameter).collect(),
        returns: kind.results().len() == 1,
    })
}

/// Every export of a guest that the host looks up.
pub fn guest_exports() -> impl Iterator<Item = &'static str> {
    exports::NAMES.iter().copied()
}
