//! Makes a module's whole state reachable, before it is compiled: every mutable global and the start function are exported under
//! reserved names.
//!
//! A started guest is its memory, its mutable globals, its tables and its segments. A module that never changes tables and drops
//! no segment can be started once: memory and globals become an image, from which all further VMs begin. Exporting a global
//! changes nothing about the code that is compiled. The start function is taken out of its section, because it has to run in the
//! first VM only. Custom sections, names among them, stay as they are.

use std::borrow::Cow;
use std::ops::Range;

use wasmparser::{ExternalKind, Operator, Parser, Payload, TypeRef, ValType};

/// Changes with what this file does to a module, so that compiled modules of another edition are not used.
pub(crate) const EDITION: u32 = 1;

/// The prefix of reserved names. A module that exports such a name itself is refused.
const PREFIX: &str = "lockgate.image.";
/// The start function.
const START: &str = "lockgate.image.start";
/// A mutable global. Its number follows.
const GLOBAL: &str = "lockgate.image.global.";
/// Exported instead of globals by a module that can have no image. A number of [`Obstacle`] follows.
const OBSTACLE: &str = "lockgate.image.obstacle.";

const EXPORT_SECTION: u8 = 7;
const START_SECTION: u8 = 8;
/// The magic number and the version of a module.
const HEADER: usize = 8;

/// Why a module can have no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// It has instructions that change a table.
    Tables = 0,
    /// It has instructions that drop a segment.
    Segments = 1,
    /// A mutable global refers to a function or to something of the host.
    References = 2,
}

impl Obstacle {
    const ALL: [Self; 3] = [Self::Tables, Self::Segments, Self::References];

    /// The reason for operators.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Tables => "the module has instructions that change tables",
            Self::Segments => "the module has instructions that drop segments",
            Self::References => "the module has a mutable global that holds a reference",
        }
    }
}

/// The reserved exports of a compiled module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageExports {
    /// The names of the mutable globals.
    pub(crate) globals: Vec<String>,
    /// The name of the start function, if there is one.
    pub(crate) start: Option<&'static str>,
    /// Why the module can have no image.
    pub(crate) obstacle: Option<Obstacle>,
}

impl ImageExports {
    /// Finds the reserved exports of a compiled module.
    pub(crate) fn of(code: &wasmtime::Module) -> Self {
        let mut found = Self::default();
        for name in code.exports().map(|export| export.name()) {
            if name.starts_with(GLOBAL) {
                found.globals.push(name.to_owned());
            } else if name == START {
                found.start = Some(START);
            } else if let Some(number) = name.strip_prefix(OBSTACLE) {
                let known = |obstacle: &Obstacle| number == (*obstacle as u8).to_string();
                found.obstacle = Obstacle::ALL.into_iter().find(known);
            }
        }
        found
    }
}

/// Whether an export is one of this file's.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The module to compile. What is not a module stays as it is, and the compiler says what is wrong with it.
///
/// # Errors
/// The module exports a reserved name, which is the error.
pub(crate) fn instrument(module: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    match Survey::of(module) {
        Ok(Survey {
            reserved: Some(name), ..
        }) => Err(name),
        Ok(survey) => Ok(survey.write(module).map_or(Cow::Borrowed(module), Cow::Owned)),
        Err(_) => Ok(Cow::Borrowed(module)),
    }
}

/// What has to be known about a module.
#[derive(Default)]
struct Survey {
    sections: Vec<(u8, Range<usize>)>,
    /// Number of exports, and their bytes.
    exports: Option<(u32, Range<usize>)>,
    globals: u32,
    mutable: Vec<u32>,
    start: Option<u32>,
    obstacle: Option<Obstacle>,
    /// A reserved name that the module exports.
    reserved: Option<String>,
}

impl Survey {
    fn of(module: &[u8]) -> wasmparser::Result<Self> {
        let mut survey = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            survey.sections.extend(payload.as_section());
            match payload {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        // A module that imports a global is refused later: the host has none.
                        survey.globals += u32::from(matches!(import?.ty, TypeRef::Global(_)));
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        let kind = global?.ty;
                        if kind.mutable {
                            survey.mutable.push(survey.globals);
                        }
                        if kind.mutable && matches!(kind.content_type, ValType::Ref(_)) {
                            survey.obstacle = Some(Obstacle::References);
                        }
                        survey.globals += 1;
                    }
                }
                Payload::ExportSection(section) => survey.exports(&section)?,
                Payload::StartSection { func, .. } => survey.start = Some(func),
                Payload::CodeSectionEntry(body) if survey.obstacle.is_none() => {
                    let mut operators = body.get_operators_reader()?;
                    while !operators.eof() && survey.obstacle.is_none() {
                        survey.obstacle = obstacle(&operators.read()?);
                    }
                }
                _ => {}
            }
        }
        Ok(survey)
    }

    fn exports(&mut self, section: &wasmparser::ExportSectionReader<'_>) -> wasmparser::Result<()> {
        let mut begin = None;
        for export in section.clone().into_iter_with_offsets() {
            let (offset, export) = export?;
            begin.get_or_insert(offset);
            if is_reserved(export.name) {
                self.reserved = Some(export.name.to_owned());
            }
        }
        let end = section.range().end;
        self.exports = Some((section.count(), begin.unwrap_or(end)..end));
        Ok(())
    }

    /// The changed module. `None` if there is nothing to change: without exports it is no plugin.
    fn write(self, module: &[u8]) -> Option<Vec<u8>> {
        let (count, entries) = self.exports.as_ref()?;
        let added = self.added();
        let mut section = Vec::with_capacity(entries.len() + 64);
        leb128(&mut section, count + u32::try_from(added.len()).ok()?);
        section.extend_from_slice(&module[entries.clone()]);
        for (name, kind, index) in &added {
            leb128(&mut section, u32::try_from(name.len()).ok()?);
            section.extend_from_slice(name.as_bytes());
            section.push(*kind as u8);
            leb128(&mut section, *index);
        }
        let mut out = Vec::with_capacity(module.len() + 256);
        out.extend_from_slice(module.get(..HEADER)?);
        for (id, range) in &self.sections {
            let content = match *id {
                EXPORT_SECTION => &section,
                START_SECTION => continue,
                _ => &module[range.clone()],
            };
            out.push(*id);
            leb128(&mut out, u32::try_from(content.len()).ok()?);
            out.extend_from_slice(content);
        }
        Some(out)
    }

    /// The exports to add.
    fn added(&self) -> Vec<(String, ExternalKind, u32)> {
        let mut added = Vec::new();
        if let Some(start) = self.start {
            added.push((START.to_owned(), ExternalKind::Func, start));
        }
        match self.obstacle {
            Some(obstacle) => added.push((format!("{OBSTACLE}{}", obstacle as u8), ExternalKind::Memory, 0)),
            None => added.extend(
                self.mutable
                    .iter()
                    .enumerate()
                    .map(|(number, index)| (format!("{GLOBAL}{number}"), ExternalKind::Global, *index)),
            ),
        }
        added
    }
}

fn obstacle(operator: &Operator<'_>) -> Option<Obstacle> {
    match operator {
        Operator::TableSet { .. }
        | Operator::TableGrow { .. }
        | Operator::TableFill { .. }
        | Operator::TableCopy { .. }
        | Operator::TableInit { .. } => Some(Obstacle::Tables),
        Operator::DataDrop { .. } | Operator::ElemDrop { .. } => Some(Obstacle::Segments),
        _ => None,
    }
}

/// Appends an unsigned number of WebAssembly's binary format.
fn leb128(out: &mut Vec<u8>, mut number: u32) {
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> wasmtime::Engine {
        wasmtime::Engine::default()
    }

    fn exports_of(text: &str) -> ImageExports {
        let module = wat::parse_str(text).unwrap();
        let changed = instrument(&module).unwrap();
        ImageExports::of(&wasmtime::Module::new(&engine(), &changed).unwrap())
    }

    #[test]
    fn mutable_globals_and_the_start_function_are_exported() {
        let found = exports_of(
            r#"(module (import "env" "f" (func)) (memory (export "memory") 1)
                 (global i32 (i32.const 1)) (global (mut i64) (i64.const 2)) (global (mut f32) (f32.const 3))
                 (func $go) (start $go))"#,
        );
        assert_eq!(found.globals, ["lockgate.image.global.0", "lockgate.image.global.1"]);
        assert_eq!((found.start, found.obstacle), (Some(START), None));
    }

    #[test]
    fn the_start_function_no_longer_runs_by_itself() {
        let module =
            wat::parse_str(r#"(module (memory (export "memory") 1) (func $go unreachable) (start $go))"#).unwrap();
        let engine = engine();
        let module = wasmtime::Module::new(&engine, instrument(&module).unwrap()).unwrap();
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
        let start = instance.get_typed_func::<(), ()>(&mut store, START).unwrap();
        assert!(start.call(&mut store, ()).is_err());
    }

    #[test]
    fn what_an_image_cannot_hold_is_an_obstacle() {
        let with = |items: &str| {
            exports_of(&format!(
                r#"(module (memory (export "memory") 1) (table $t 4 funcref) (elem $e func $f) (data $d "x") (func $f) {items})"#
            ))
            .obstacle
        };
        for change in [
            "(func (table.set $t (i32.const 0) (ref.null func)))",
            "(func (drop (table.grow $t (ref.null func) (i32.const 1))))",
            "(func (table.fill $t (i32.const 0) (ref.null func) (i32.const 1)))",
            "(func (table.copy $t $t (i32.const 0) (i32.const 0) (i32.const 1)))",
            "(func (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1)))",
        ] {
            assert_eq!(with(change), Some(Obstacle::Tables), "{change}");
        }
        assert_eq!(with("(func (data.drop $d))"), Some(Obstacle::Segments));
        assert_eq!(with("(func (elem.drop $e))"), Some(Obstacle::Segments));
        assert_eq!(
            with("(global (mut funcref) (ref.null func))"),
            Some(Obstacle::References)
        );
        assert_eq!(with("(func (drop (table.get $t (i32.const 0))))"), None);
        assert_eq!(
            with("(func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)))"),
            None
        );
    }

    #[test]
    fn a_module_that_exports_a_reserved_name_is_refused() {
        let module = wat::parse_str(r#"(module (memory (export "lockgate.image.global.0") 1))"#).unwrap();
        assert_eq!(instrument(&module), Err("lockgate.image.global.0".to_owned()));
    }

    #[test]
    fn what_is_no_module_is_left_to_the_compiler() {
        for bytes in [&b"\0asm"[..], b"", b"\0asm\x01\0\0\0\x07\xff"] {
            assert_eq!(instrument(bytes).unwrap(), bytes);
        }
    }

    #[test]
    fn custom_sections_stay() {
        let module = wat::parse_str(r#"(module $named (@custom "lockgate.plugin" "{}") (memory (export "memory") 1) (global (mut i32) (i32.const 0)))"#).unwrap();
        let changed = instrument(&module).unwrap();
        let customs = |bytes: &[u8]| {
            let sections = Parser::new(0)
                .parse_all(bytes)
                .filter_map(|payload| match payload.unwrap() {
                    Payload::CustomSection(section) => Some((section.name().to_owned(), section.data().to_vec())),
                    _ => None,
                });
            sections.collect::<Vec<_>>()
        };
        assert_eq!(customs(&changed), customs(&module));
        assert_eq!(customs(&module).len(), 2);
    }
}
