//! Names and types: every function of WASI is there, under both of its modules, and takes and returns what it should.
//!
//! The guest imports them all, and no host links a module that imports a function with another type than it has.

use crate::lockgate;
use crate::reference::{self, Reference};
use crate::{Preview, case};
use lockgate_sandbox::testing::MemoryHost;
use lockgate_sandbox::{Host, interface};
use std::collections::BTreeMap;
use std::rc::Rc;
use wasmtime::{Engine, Extern, ExternType, FuncType, Module, Store};

/// How many functions each preview has, counted in its witx.
const COUNTS: [(Preview, usize); 2] = [(Preview::One, 46), (Preview::Zero, 45)];

/// The reference's functions, by name.
fn functions(engine: &Engine, preview: Preview) -> BTreeMap<String, FuncType> {
    let linker = reference::linker(engine);
    let mut store = Store::new(engine, Reference::new());
    let items: Vec<_> = linker
        .iter(&mut store)
        .filter(|(module, ..)| *module == preview.module())
        .map(|(_, name, item)| (name.to_owned(), item))
        .collect();
    let types = items.into_iter().filter_map(|(name, item)| match item {
        Extern::Func(function) => Some((name, function.ty(&store))),
        _ => None,
    });
    types.collect()
}

/// What the guest imports of WASI.
fn imports(engine: &Engine, preview: Preview) -> BTreeMap<String, FuncType> {
    let module = Module::new(engine, preview.guest()).expect("the guest is a module");
    let imports = module.imports().filter(|import| import.module() == preview.module());
    let types = imports.filter_map(|import| match import.ty() {
        ExternType::Func(kind) => Some((import.name().to_owned(), kind)),
        _ => None,
    });
    types.collect()
}

#[test]
fn every_function_is_there_with_the_type_of_the_reference() {
    let engine = Engine::default();
    for (preview, count) in COUNTS {
        let (functions, imports) = (functions(&engine, preview), imports(&engine, preview));
        assert_eq!(functions.len(), count, "{preview:?}");
        assert!(
            functions.keys().eq(imports.keys()),
            "{preview:?}: the guest imports {:?}",
            imports.keys()
        );
        for (name, kind) in functions {
            assert!(
                FuncType::eq(&kind, &imports[&name]),
                "{preview:?}: {name} is {kind}, not {}",
                imports[&name]
            );
        }
        // Links all of them, or panics.
        lockgate::link(lockgate::compile(&preview.guest()), Vec::new());
    }
}

#[test]
fn nothing_else_is_there() {
    let engine = Engine::default();
    for preview in Preview::ALL {
        let known = functions(&engine, preview);
        let plugin = lockgate::link(lockgate::compile(&preview.guest()), Vec::new());
        let host: Rc<dyn Host> = Rc::new(MemoryHost::default());
        let offered = interface::host_functions(&plugin, &host).expect("the host functions link");
        let of_preview = offered
            .into_iter()
            .filter(|function| function.module == preview.module());
        let others = of_preview
            .map(|function| function.name)
            .filter(|name| !known.contains_key(name));
        // Preview 0 has no `sock_accept`; there it is for modules that were linked with a later libc.
        let expected: &[&str] = match preview {
            Preview::Zero => &["sock_accept"],
            Preview::One => &[],
        };
        assert_eq!(others.collect::<Vec<_>>(), expected, "{preview:?}");
    }
}

#[test]
fn every_function_has_a_case() {
    let (engine, cases) = (Engine::default(), case::all());
    for preview in Preview::ALL {
        let here: Vec<_> = cases.iter().filter(|case| case.previews.contains(&preview)).collect();
        let mut names = functions(&engine, preview).into_keys();
        let uncalled = names.find(|name| !here.iter().any(|case| case.calls(name)));
        assert_eq!(uncalled, None, "{preview:?}: a function that no case calls");
    }
}
