//! `lockgate-fuzz TARGET [--seed N] [--from N] [--runs N | --seconds N] [--modules FILE]`: runs a target and prints its progress.
//! It ends with an error at the first fault, and names the file of that input.

use lockgate_fuzz::driver::{Inputs, modules};
use lockgate_fuzz::target;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

/// The duration after which an input counts as a hang.
const HANG: Duration = Duration::from_secs(20);

struct Order {
    target: String,
    seed: u64,
    from: u64,
    runs: u64,
    seconds: u64,
    /// The file of modules that `smith` has written.
    modules: Option<PathBuf>,
}

fn main() -> ExitCode {
    match order(env::args().skip(1)) {
        Ok(order) => run(&order),
        Err(wrong) => {
            eprintln!(
                "{wrong}\nusage: lockgate-fuzz TARGET [--seed N] [--from N] [--runs N | --seconds N] [--modules FILE]"
            );
            ExitCode::from(2)
        }
    }
}

fn order(mut args: impl Iterator<Item = String>) -> Result<Order, String> {
    let mut order = Order {
        target: args.next().ok_or("no target")?,
        seed: 1,
        from: 0,
        runs: u64::MAX,
        seconds: u64::MAX,
        modules: None,
    };
    while let Some(name) = args.next() {
        if name == "--modules" {
            order.modules = args.next().map(PathBuf::from);
            continue;
        }
        let number = args.next().and_then(|text| text.parse().ok());
        let number = number.ok_or_else(|| format!("{name} needs a number"))?;
        *match name.as_str() {
            "--seed" => &mut order.seed,
            "--from" => &mut order.from,
            "--runs" => &mut order.runs,
            "--seconds" => &mut order.seconds,
            _ => return Err(format!("unknown option {name}")),
        } = number;
    }
    Ok(order)
}

fn run(order: &Order) -> ExitCode {
    let mut target = match target(&order.target) {
        Ok(target) => target,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let current = Arc::new(AtomicU64::new(order.from));
    watch(&current);
    let made = match order.modules.as_deref().map_or(Ok(Vec::new()), modules) {
        Ok(made) => made,
        Err(wrong) => {
            eprintln!("the smith's modules: {wrong}");
            return ExitCode::from(2);
        }
    };
    let mut inputs = Inputs::with(&order.target, made);
    let started = Instant::now();
    let mut reported = started;
    let mut done = 0;
    while done < order.runs && started.elapsed().as_secs() < order.seconds {
        // The clock is read rarely, because it costs more than some inputs.
        for _ in 0..1000.min(order.runs - done) {
            let nth = order.from + done;
            current.store(nth, Relaxed);
            let input = inputs.input(order.seed, nth);
            if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
                let file = format!("fuzz-{}-{}-{nth}.bin", order.target, order.seed);
                drop(fs::write(&file, input));
                eprintln!("input {nth} of seed {} is a fault; it is in {file}", order.seed);
                return ExitCode::FAILURE;
            }
            done += 1;
        }
        if reported.elapsed() > Duration::from_secs(60) {
            reported = Instant::now();
            print_progress(order, done, started);
        }
    }
    print_progress(order, done, started);
    ExitCode::SUCCESS
}

fn print_progress(order: &Order, done: u64, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    let memory = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = memory
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or("unknown")
        .trim();
    println!(
        "{}: {done} inputs of seed {} from {} in {seconds:.0} s, {:.0} a second; resident {memory}",
        order.target,
        order.seed,
        order.from,
        done as f64 / seconds
    );
}

/// Ends the process when an input takes too long.
fn watch(current: &Arc<AtomicU64>) {
    let current = Arc::clone(current);
    thread::spawn(move || {
        let (mut last, mut since) = (u64::MAX, Instant::now());
        loop {
            thread::sleep(Duration::from_secs(1));
            let now = current.load(Relaxed);
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > HANG {
                eprintln!("input {now} hangs");
                process::exit(1);
            }
        }
    });
}
