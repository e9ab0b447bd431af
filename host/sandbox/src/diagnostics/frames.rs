//! Guest functions of a backtrace, by names that people can read.

use wasmtime::WasmBacktrace;

/// Frames that are named at most; the outermost of a deeper stack are left out.
const MOST: usize = 128;

/// The functions from the innermost outwards; one without a name by its index.
pub(crate) fn names(backtrace: &WasmBacktrace) -> Vec<String> {
    let frames = backtrace.frames().iter().take(MOST);
    frames
        .map(|frame| match frame.func_name() {
            Some(name) => readable(name),
            None => format!("function {}", frame.func_index()),
        })
        .collect()
}

/// How many of the innermost functions only carry out a panic: who looks for what went wrong begins behind them.
pub(crate) fn of_a_panic(names: &[String]) -> usize {
    names.iter().position(|name| !is_of_a_panic(name)).unwrap_or(0)
}

/// Rust's way from `panic!` to `abort`. Its names are no contract; what is not known here is merely shown.
fn is_of_a_panic(name: &str) -> bool {
    const PARTS: [&str; 6] = [
        "std::",
        "core::panicking::",
        "core::option::",
        "core::result::",
        "__rustc",
        "rust_begin_unwind",
    ];
    // "<std::… as core::…>::call" too.
    let name = name.trim_start_matches('<');
    name == "abort" || PARTS.iter().any(|part| name.starts_with(part))
}

/// Mangled names of Rust and C++ as they were written, without the hash that says nothing to anyone.
fn readable(name: &str) -> String {
    if let Ok(symbol) = rustc_demangle::try_demangle(name) {
        return format!("{symbol:#}");
    }
    let cpp = cpp_demangle::Symbol::new(name).ok();
    let cpp = cpp.and_then(|symbol| symbol.demangle().ok());
    cpp.unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mangled_names_are_made_readable_and_others_stay() {
        for (mangled, expected) in [
            ("_RNvNtCset5xJoy1xWQ_3std7process5abort", "std::process::abort"),
            (
                "_ZN4core9panicking9panic_fmt17h0123456789abcdefE",
                "core::panicking::panic_fmt",
            ),
            ("_ZN5Guest4failEi", "Guest::fail(int)"),
            ("proxy_on_request_headers", "proxy_on_request_headers"),
            ("assembly/index/Own#fail", "assembly/index/Own#fail"),
            ("_Znot a name", "_Znot a name"),
        ] {
            assert_eq!(readable(mangled), expected);
        }
    }

    #[test]
    fn the_way_of_a_panic_is_told_from_what_panicked() {
        let stack = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let panic = stack(&[
            "abort",
            "std::process::abort",
            "__rustc::rust_panic",
            "core::panicking::panic_fmt",
            "demo::check",
        ]);
        assert_eq!(of_a_panic(&panic), 4);
        assert_eq!(of_a_panic(&stack(&["demo::check", "abort"])), 0);
        assert_eq!(
            of_a_panic(&stack(&["core::panicking::panic_fmt"])),
            0,
            "there is nothing else to show"
        );
        assert_eq!(of_a_panic(&stack(&["abort", "std::process::abort"])), 0);
        assert_eq!(of_a_panic(&[]), 0);
    }
}
