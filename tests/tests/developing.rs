//! `lockgate dev` as a developer uses it: on a new plugin, from the first build to Ctrl-C.

use lockgate_tests::binary::{binary, lockgate};
use lockgate_tests::gateway::signal;
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Wire, get};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A first build compiles the SDK, on a machine that is busy with other tests.
const BUILDS_WITHIN: Duration = Duration::from_secs(300);

/// A running `lockgate dev`. Ended when dropped, as from a terminal; what it said is printed when the test has failed.
struct Dev {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Dev {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(binary())
            .arg("dev")
            .args(arguments)
            .current_dir(folder)
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary is there");
        let said = Arc::new(Mutex::new(String::new()));
        keep(child.stdout.take().expect("it is piped"), &said);
        keep(child.stderr.take().expect("it is piped"), &said);
        Self { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().expect("no panic while holding it").clone()
    }

    /// Waits until it has said all of these, in whatever order, and forgets what it said so far.
    fn says(&self, parts: &[&str]) -> String {
        eventually(&format!("it says {parts:?}"), BUILDS_WITHIN, || {
            let said = self.said();
            parts.iter().all(|part| said.contains(part))
        });
        std::mem::take(&mut *self.said.lock().expect("no panic while holding it"))
    }

    fn stop(&mut self) {
        signal(self.child.id(), "INT");
        eventually("it ends", Duration::from_secs(10), || {
            matches!(self.child.try_wait(), Ok(Some(_)))
        });
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(self.child.id(), "TERM");
            drop(self.child.wait());
        }
        if thread::panicking() {
            eprintln!("--- what it said since\n{}", self.said());
        }
    }
}

fn keep(pipe: impl Read + Send + 'static, said: &Arc<Mutex<String>>) {
    let said = said.clone();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut said = said.lock().expect("no panic while holding it");
            said.push_str(&line);
            said.push('\n');
        }
    });
}

/// An address that nobody else gets by accident: below the ports that the kernel gives away, and each only once.
fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 5_000) as u16;
    let ports = std::iter::from_fn(|| Some(first + NEXT.fetch_add(1, Ordering::Relaxed)));
    let mut bound = ports.filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    let address = bound.next().and_then(|socket| socket.local_addr().ok());
    address.expect("a port is free")
}

/// Whether this machine can build modules with rustc alone, as a test's crates are.
fn has_target() -> bool {
    let asked = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .expect("rustc is there");
    let sysroot = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim());
    let has_target = sysroot.join("lib/rustlib/wasm32-wasip1").is_dir();
    if !has_target {
        eprintln!("skipped: this machine's rustc has no wasm32-wasip1");
    }
    has_target
}

/// A new plugin of its own name, in a folder that is gone with the test.
fn plugin(kind: &str) -> Option<(tempfile::TempDir, PathBuf)> {
    if !has_target() {
        return None;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let made = lockgate(&["new", "plugin", "demo", "--kind", kind], folder.path());
    assert!(made.status.success(), "{made:?}");
    let demo = folder.path().join("demo");
    Some((folder, demo))
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("the file is there");
    assert!(text.contains(from), "{from:?} is in {}", file.display());
    fs::write(file, text.replace(from, to)).expect("the file is writable");
}

/// Processes whose command line names the folder, or that work in it.
fn at_work_in(folder: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("a proc file system").flatten();
    let commands = processes.filter_map(|process| {
        let line = fs::read(process.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let is_here = fs::read_link(process.path().join("cwd")).is_ok_and(|at| at.starts_with(folder));
        (is_here || line.contains(&*folder.to_string_lossy())).then_some(line)
    });
    commands.collect()
}

#[test]
fn a_plugin_is_built_changed_broken_and_corrected_and_no_process_remains() {
    let Some((folder, demo)) = plugin("filter") else { return };
    let address = free();
    let source = demo.join("src/lib.rs");
    let mut dev = Dev::start(&demo, &["--listen", &address.to_string()]);
    let first = dev.says(&["Ctrl-C stops", "4 passed"]);
    assert!(first.contains(&format!("curl -i http://{address}/")), "{first}");
    assert!(first.contains("with an echo upstream on 127.0.0.1:"), "{first}");
    let ask = |header: &str| Wire::connect(address).exchange(&get("/orders").header(header, "1"));
    let mark = || {
        let answer = ask("x-other").expect("an answer");
        answer.header("x-demo").unwrap_or("none").to_owned()
    };

    assert_eq!(ask("x-forbidden").expect("an answer").status(), 403);
    let told = dev.says(&["GET /orders  403", "refused: it carries x-forbidden"]);
    assert!(told.contains("demo  request "), "{told}");
    assert!(told.contains("request_headers: send_local_response("), "{told}");
    assert_eq!(mark(), "served");
    let told = dev.says(&["GET /orders  200", "value=\"served\""]);
    assert!(told.contains("value=\"passed\""), "{told}");

    edit(&source, "\"served\"", "\"changed\"");
    dev.says(&["live after", "FAILED a request passes", "3 passed, 1 failed"]);
    assert_eq!(mark(), "changed");

    edit(&source, "impl Plugin for", "impl Plugin fro");
    dev.says(&["error", "the previous module stays in use"]);
    assert_eq!(mark(), "changed");

    edit(&source, "impl Plugin fro", "impl Plugin for");
    edit(&source, "\"changed\"", "\"mended\"");
    dev.says(&["live after"]);
    assert_eq!(mark(), "mended");

    dev.stop();
    eventually("nothing is left", Duration::from_secs(5), || {
        at_work_in(folder.path()).is_empty()
    });
    assert!(TcpListener::bind(address).is_ok(), "its port is free again");
}

#[test]
fn a_plugin_for_connections_runs_in_front_of_an_echo_of_bytes() {
    let Some((_folder, demo)) = plugin("l4") else { return };
    let address = free();
    let mut dev = Dev::start(&demo, &["--listen", &address.to_string()]);
    dev.says(&["Ctrl-C stops", "4 passed", &format!("nc 127.0.0.1 {}", address.port())]);
    let mut client = TcpStream::connect(address).expect("it listens");
    client.write_all(b"the secret\n").expect("it takes bytes");
    client.shutdown(Shutdown::Write).expect("it is open");
    let mut came = String::new();
    client.read_to_string(&mut came).expect("it answers");
    assert_eq!(came, "the ******\n");
    let told = dev.says(&["complete", "bytes in"]);
    assert!(told.contains("demo  from the client "), "{told}");
    dev.stop();
}

#[test]
fn a_folder_without_a_plugin_is_refused_and_into_copies_the_module() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let output = lockgate(&["dev"], folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("Cargo.toml is not a plugin's folder"), "{said}");

    let Some((_folder, demo)) = plugin("filter") else {
        return;
    };
    let plugins = folder.path().to_str().expect("a plain name");
    let mut dev = Dev::start(&demo, &["--into", plugins, "--no-cases"]);
    dev.says(&["copied to"]);
    let copied = fs::read(folder.path().join("demo.wasm")).expect("a module was copied");
    assert!(copied.starts_with(b"\0asm"));
    dev.stop();
}

/// Writes a crate of one file.
fn crate_at(folder: &Path, manifest: &str, source: &str) {
    let name = folder.file_name().expect("it has a name").to_string_lossy();
    fs::create_dir_all(folder.join("src")).expect("a folder can be made");
    let manifest = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n{manifest}");
    fs::write(folder.join("Cargo.toml"), manifest).expect("the folder is writable");
    fs::write(folder.join("src/lib.rs"), source).expect("the folder is writable");
}

#[test]
fn path_dependencies_are_watched_like_the_plugin_also_later_ones() {
    if !has_target() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let place = |name: &str| folder.path().join(name);
    let (words, far) = (place("shop/words"), place("far"));
    fs::create_dir_all(place("shop")).expect("a folder can be made");
    let root = place("shop/Cargo.toml");
    fs::write(&root, "[workspace]\nmembers = [\"demo\"]\nresolver = \"3\"\n").expect("the folder is writable");
    crate_at(
        &place("shop/demo"),
        "[lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nwords = { path = \"../words\" }\n",
        "#[unsafe(no_mangle)]\nextern \"C\" fn mark() -> u32 { words::mark() }\n",
    );
    crate_at(&words, "[dependencies]\n", "pub fn mark() -> u32 { 1111 }\n");
    crate_at(&far, "", "pub fn mark() -> u32 { 5555 }\n");
    let plugins = tempfile::tempdir().expect("a temporary folder can be made");
    let into = plugins.path().to_str().expect("a plain name");
    let mut dev = Dev::start(&place("shop/demo"), &["--into", into]);
    dev.says(&["copied to"]);

    edit(&words.join("src/lib.rs"), "1111", "2222");
    dev.says(&["copied to"]);

    edit(&words.join("Cargo.toml"), "[dependencies]", "[dependencies");
    dev.says(&["nothing was copied"]);
    edit(
        &words.join("Cargo.toml"),
        "[dependencies",
        "[dependencies]\nfar = { path = \"../../far\" }",
    );
    dev.says(&["unchanged"]);
    edit(&words.join("src/lib.rs"), "2222", "far::mark()");
    dev.says(&["copied to"]);

    edit(&far.join("src/lib.rs"), "5555", "6666");
    dev.says(&["copied to"]);
    fs::create_dir(far.join("src/more")).expect("the folder is writable");
    fs::write(far.join("src/more/mod.rs"), "pub fn mark() -> u32 { 7777 }\n").expect("the folder is writable");
    edit(&far.join("src/lib.rs"), "6666 }", "more::mark() }\nmod more;");
    dev.says(&["copied to"]);
    edit(&far.join("src/more/mod.rs"), "7777", "8888");
    dev.says(&["copied to"]);

    edit(&root, "resolver", "# changed\nresolver");
    dev.says(&["unchanged"]);
    dev.stop();
}
