//! The guest functions of a backtrace, by readable names.

use wasmtime::WasmBacktrace;

/// Frames that are named. The outermost frames of a deeper stack are left out.
const MAX_NAMED: usize = 128;

/// The functions, innermost first. A function without a name is shown by its index.
pub(crate) fn names(backtrace: &WasmBacktrace) -> Vec<String> {
    let frames = backtrace.frames().iter().take(MAX_NAMED);
    frames
        .map(|frame| match frame.func_name() {
            Some(name) => readable(name),
            None => format!("function {}", frame.func_index()),
        })
        .collect()
}

/// The number of innermost functions that only carry out a panic. The cause is found after them.
pub(crate) fn of_a_panic(names: &[String]) -> usize {
    names.iter().position(|name| !is_of_a_panic(name)).unwrap_or(0)
}

/// Whether a function belongs to Rust's way from `panic!` to `abort`. Those names are no contract: an unknown one is shown.
fn is_of_a_panic(name: &str) -> bool {
    const PARTS: [&str; 6] = [
        "std::",
        "core::panicking::",
        "core::option::",
        "core::result::",
        "__rustc",
        "rust_begin_unwind",
    ];
    // Also `<std::… as core::…>::call`.
    let name = name.trim_start_matches('<');
    name == "abort" || PARTS.iter().any(|part| name.starts_with(part))
}

/// Demangles names of Rust and C++, without the hash.
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
    fn the_frames_of_a_panic_are_skipped() {
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
